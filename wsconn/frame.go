package wsconn

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

// violation is why a connection is closed for what it sent: the close code and
// the reason, in words, for the close frame. It is an error.
type violation struct {
	code   wire.CloseCode
	reason string
}

// reasonLogged is the reason for the log.
func (v *violation) reasonLogged() string {
	switch v.code {
	case wire.CloseRateLimit:
		return event.ReasonRateLimit
	case wire.CloseSlowConsumer:
		return event.ReasonSlow
	case wire.CloseInternalError:
		return event.ReasonPanic
	}
	return event.ReasonBadFrame
}

// reasonOfDialect is reasonLogged for a connection that its speaker may have ended.
func (v *violation) reasonOfDialect() string {
	if v.code == wire.CloseNormal {
		return event.ReasonRefused
	}
	return v.reasonLogged()
}

func (v *violation) Error() string { return v.code.String() + " " + v.reason }

var (
	errReserved          = &violation{wire.CloseProtocolError, "a reserved bit or opcode is set"}
	errUnmasked          = &violation{wire.CloseProtocolError, "a client's frame must be masked"}
	errLength            = &violation{wire.CloseProtocolError, "the frame's length is not in its shortest form"}
	errControlFrame      = &violation{wire.CloseProtocolError, "a control frame must be whole and at most 125 bytes"}
	errContinuation      = &violation{wire.CloseProtocolError, "a continuation frame without a message"}
	errUnfinished        = &violation{wire.CloseProtocolError, "a new message inside another"}
	errUnfinishedTooLong = &violation{wire.CloseProtocolError, "the message was not finished in time"}
	errClosePayload      = &violation{wire.CloseProtocolError, "the close frame's payload is invalid"}
	errBinary            = &violation{wire.CloseUnsupportedData, "only text messages are taken"}
	errUTF8              = &violation{wire.CloseInvalidUTF8, "text must be UTF-8"}
	errTooBig            = &violation{wire.CloseTooBig, "the message is too big"}
	errRateTooLong       = &violation{wire.CloseRateLimit, "over the limits for too long"}
	errSlow              = &violation{wire.CloseSlowConsumer, "your queue of messages is full: you read too slowly"}
	errNoJoin            = &violation{wire.CloseNoJoin, "no join in time"}
	errTokenExpired      = &violation{wire.CloseTokenExpired, "your token has run out"}
)

// parseHeader reads the header of a client's frame from the front of b. ok is
// false when b does not hold all of it yet.
func parseHeader(b []byte) (h wire.Header, ok bool, err error) {
	if h, ok, err = wire.ParseHeader(b); err != nil {
		return h, false, errLength
	}
	switch {
	case len(b) < 2:
		return h, false, nil
	case h.Reserved || h.Opcode > wire.OpBinary && h.Opcode < wire.OpClose || h.Opcode > wire.OpPong:
		return h, false, errReserved
	case !h.Masked && h.Opcode != wire.OpClose: // see closeCode
		return h, false, errUnmasked
	case h.Control() && (!h.Fin || b[1]&0x7F > wire.MaxControl):
		return h, false, errControlFrame
	}
	return h, ok, nil
}

// closeCode returns the code of a client's close frame. Caddy 2.6, which Debian has, does
// not mask the 1001 that it sends for its clients when it reloads: that one is taken.
func closeCode(h wire.Header, payload []byte) (wire.CloseCode, error) {
	code, err := parseClose(payload)
	if err == nil && !h.Masked && code != wire.CloseGoingAway {
		err = errUnmasked
	}
	return code, err
}

// parseClose reads the payload of a close frame: the code, CloseNoStatus where
// there is none.
func parseClose(p []byte) (wire.CloseCode, error) {
	if len(p) == 0 {
		return wire.CloseNoStatus, nil
	}
	if len(p) == 1 {
		return 0, errClosePayload
	}
	if !utf8.Valid(p[2:]) {
		return 0, errUTF8
	}
	code := binary.BigEndian.Uint16(p)
	switch {
	case code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006,
		code >= 3000 && code <= 4999:
		return wire.CloseCode(code), nil
	}
	return 0, errClosePayload
}
