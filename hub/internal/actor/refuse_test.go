package actor

import (
	"maps"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// The log tells why a message was refused, and of a join which room and id it asked for;
// of one client once a second, with the number of refusals that it does not tell of.
func TestLogOfRefusals(t *testing.T) {
	core, logged := observer.New(zap.InfoLevel)
	l := still(Options{})
	l.log = zap.New(core)
	c, _ := l.connect(1 << 20)
	refuse := func(room, id string) {
		l.apply(&Refuse{Client: c, Refusal: errBanned, Refused: frame.Refused{Re: "join"}, Room: room, ID: id})
	}
	line := func(suppressed int64, more map[string]any) {
		t.Helper()
		want := map[string]any{
			event.FieldConn: uint64(1), event.FieldCode: wire.CodeForbidden.String(), event.FieldType: "join",
			event.FieldReason: errBanned.Why(), event.FieldSuppressed: suppressed,
		}
		maps.Copy(want, more)
		lines := logged.FilterMessage(event.Refused).All()
		if len(lines) != 1 || !maps.Equal(lines[0].ContextMap(), want) {
			t.Errorf("got %v, want %v", lines, want)
		}
		logged.TakeAll()
	}
	refuse("r", "a")
	line(0, map[string]any{event.FieldRoom: "r", event.FieldID: "a"})
	for range 3 {
		refuse("r", "a")
	}
	l.now = l.now.Add(refusalLogInterval - 1)
	refuse("r", "a")
	if n := logged.Len(); n != 0 {
		t.Errorf("%d more lines within a second", n)
	}
	l.now = l.now.Add(1)
	refuse("r", "")
	line(4, map[string]any{event.FieldRoom: "r"})
	l.now = l.now.Add(time.Minute)
	refuse("", "")
	line(0, nil)
	l.join(c, "own", "me", "")
	logged.TakeAll()
	l.now = l.now.Add(time.Minute)
	refuse("r", "a") // of a member the line names its room
	line(0, map[string]any{event.FieldRoom: "own", event.FieldID: "me"})
}
