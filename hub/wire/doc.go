// Package wire holds the messages that clients and the server exchange: their
// types, error and close codes, the reading of envelopes and the encoding of
// frames. It does no I/O and knows nothing of rooms.
//
// Reading is strict where two readers of the same bytes could come to
// different conclusions (duplicate names, trailing data, depth, invalid
// escapes) and lenient about what it does not know. The opaque parts of a
// message (sdp, candidate, data and unknown members) are checked to be JSON and
// otherwise never looked at: a forwarded message keeps its bytes, and only room
// and from are put in.
//
// Writing makes a [Frame]: the message with its RFC 6455 header in one piece,
// made once and shared by however many receivers.
package wire
