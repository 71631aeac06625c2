// Package ayame speaks the protocol of Ayame, a signaling server for calls of two, so that
// its clients work unchanged.
//
// A room of Ayame is a room of two members, whose ids are Ayame's connection ids. Offers,
// answers and candidates are those of version 1; the sdp or candidate is the whole message,
// so it keeps its bytes. The list of members says whether another client is there, and when
// it has gone.
package ayame
