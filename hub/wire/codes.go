package wire

import (
	"errors"
	"strconv"
)

// Code says for programs why a message was refused.
type Code uint8

// The error codes of the protocol.
const (
	NoCode Code = iota
	CodeBadMessage
	CodeUnknownType
	CodeInvalidRoom
	CodeInvalidID
	CodeInvalidName
	CodeNotJoined
	CodeAlreadyJoined
	CodeDuplicateID
	CodeRoomFull
	CodeRoomLocked
	CodeServerFull
	CodeTargetNotFound
	CodeForbidden
	CodeUnauthorized
	CodeRateLimited
	CodeSessionExpired
	CodeUnavailable
	CodeCongested

	// NumCodes is the number of codes, for tables indexed by Code.
	NumCodes = int(iota)
)

var codeNames = [NumCodes]string{
	CodeBadMessage:     "bad_message",
	CodeUnknownType:    "unknown_type",
	CodeInvalidRoom:    "invalid_room",
	CodeInvalidID:      "invalid_id",
	CodeInvalidName:    "invalid_name",
	CodeNotJoined:      "not_joined",
	CodeAlreadyJoined:  "already_joined",
	CodeDuplicateID:    "duplicate_id",
	CodeRoomFull:       "room_full",
	CodeRoomLocked:     "room_locked",
	CodeServerFull:     "server_full",
	CodeTargetNotFound: "target_not_found",
	CodeForbidden:      "forbidden",
	CodeUnauthorized:   "unauthorized",
	CodeRateLimited:    "rate_limited",
	CodeSessionExpired: "session_expired",
	CodeUnavailable:    "unavailable",
	CodeCongested:      "congested",
}

// String returns the code as it stands on the wire.
func (c Code) String() string { return codeNames[c] }

// ParseCode returns the code that has this name on the wire; [NoCode] if there is none.
func ParseCode(name []byte) Code {
	for code, known := range codeNames {
		if known == string(name) {
			return Code(code)
		}
	}
	return NoCode
}

// Refusal is why a message was refused: a code for programs and a sentence for
// people. It is an error.
type Refusal struct {
	Code Code
	Text string
	// Needs is what was missing or wrong when Code is CodeUnauthorized and a client can
	// ask its user for it: "token" or "passcode".
	Needs string
	// Reason is for the log: why, in words. It is never sent to the client.
	Reason string
}

// Why returns Reason, or Text where there is none.
func (r *Refusal) Why() string {
	if r.Reason != "" {
		return r.Reason
	}
	return r.Text
}

func (r *Refusal) Error() string { return r.Code.String() + ": " + r.Text }

// CodeOf returns the protocol's code of an error that is or wraps a [*Refusal];
// [NoCode] for any other, and for nil.
func CodeOf(err error) Code {
	var r *Refusal
	if errors.As(err, &r) && r != nil {
		return r.Code
	}
	return NoCode
}

// CloseCode is the status code of a WebSocket close frame (RFC 6455, 7.4).
type CloseCode uint16

// String returns the code as a number, for logs and metrics.
func (c CloseCode) String() string { return strconv.Itoa(int(c)) }

// The close codes that the server sends, and two that stand for the absence of
// one and are only logged and counted.
const (
	CloseNormal          CloseCode = 1000
	CloseGoingAway       CloseCode = 1001
	CloseProtocolError   CloseCode = 1002
	CloseUnsupportedData CloseCode = 1003
	CloseNoStatus        CloseCode = 1005 // a close frame without a code came
	CloseAbnormal        CloseCode = 1006 // no close frame came
	CloseInvalidUTF8     CloseCode = 1007
	CloseTooBig          CloseCode = 1009
	CloseInternalError   CloseCode = 1011
	CloseReplaced        CloseCode = 4001
	CloseKicked          CloseCode = 4002
	CloseSlowConsumer    CloseCode = 4003
	CloseRateLimit       CloseCode = 4005
	CloseNoJoin          CloseCode = 4007
	CloseTokenExpired    CloseCode = 4008
)
