// Package ywebrtc speaks the protocol of the signaling server in y-webrtc (npm, 10.3), so
// that Yjs documents find each other unchanged.
//
// Each topic is a room, and a client that has subscribed to it a quiet member under an id
// of its own. A publication is a message of version 1 to all members, the publisher among
// them, whose data is the client's message. Receivers get it with the number of members in
// clients.
package ywebrtc
