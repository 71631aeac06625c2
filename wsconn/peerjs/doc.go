// Package peerjs speaks the protocol of PeerServer (npm package peer, 1.0), so that PeerJS
// clients work unchanged.
//
// Each key is a room, in which the peers are quiet members. OFFER, ANSWER and CANDIDATE are
// an offer, an answer and a candidate of version 1, whose sdp or candidate is the payload;
// other types are messages. So calls of PeerJS clients are followed, limited and logged as
// those of all others.
package peerjs
