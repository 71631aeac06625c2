// Package wire holds the messages that clients and the server exchange: their
// types, error and close codes, names and rights, the reading of envelopes, and the
// headers of frames. It does no I/O and knows nothing of rooms.
//
// Reading is strict where two readers of the same bytes could come to
// different conclusions (duplicate names, trailing data, depth, invalid
// escapes) and lenient about what it does not know. The opaque parts of a
// message (sdp, candidate, data and unknown members) are checked to be JSON and
// otherwise never looked at: a forwarded message keeps its bytes, and only room
// and from are put in.
//
// [Envelope.AppendForward] writes the text that receivers get. Package hub/internal/frame
// puts the RFC 6455 header before it, once for all receivers.
package wire
