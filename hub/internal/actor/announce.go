package actor

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// Announce sends a message without a sender to all members of a room.
type Announce struct {
	Order
	Data json.RawMessage
}

// ErrAnnouncement refuses an announcement that clients could not read.
var ErrAnnouncement = &wire.Refusal{Code: wire.CodeBadMessage, Text: "the announcement is not JSON in UTF-8"}

// Check returns why clients could not read the announcement, or nil. It runs on any
// goroutine and must be called before the command is given to the loop.
func (a *Announce) Check() error {
	if !utf8.Valid(a.Data) || !json.Valid(a.Data) {
		return ErrAnnouncement
	}
	return nil
}

func (a *Announce) apply(l *loop) {
	a.carryOut(l, func(r *room) *wire.Refusal {
		f := frame.Announcement(r.name, a.Data)
		l.say(r, saying{frame: f})
		f.Release()
		return nil
	})
}
