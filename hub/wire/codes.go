package wire

import "errors"

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
	"", "bad_message", "unknown_type", "invalid_room", "invalid_id", "invalid_name", "not_joined",
	"already_joined", "duplicate_id", "room_full", "room_locked", "server_full", "target_not_found",
	"forbidden", "unauthorized", "rate_limited", "session_expired", "unavailable", "congested",
}

// String returns the code as it stands on the wire.
func (c Code) String() string { return codeNames[c] }

// Refusal is why a message was refused: a code for programs and a sentence for
// people. It is an error.
type Refusal struct {
	Code Code
	Text string
	// Needs is what was missing or wrong when Code is CodeUnauthorized and a client can
	// ask its user for it: "token" or "passcode".
	Needs string
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
	CloseReplaced        CloseCode = 4001
	CloseKicked          CloseCode = 4002
	CloseSlowConsumer    CloseCode = 4003
	CloseRateLimit       CloseCode = 4005
	CloseNoJoin          CloseCode = 4007
	CloseTokenExpired    CloseCode = 4008
)
