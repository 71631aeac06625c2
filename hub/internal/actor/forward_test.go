package actor

import (
	"fmt"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parley-rtc/parley/hub/event"
)

// A message of a member that its receiver has been told of brings no list with it and
// costs its sender none, whatever has changed in the room since.
func TestKnownSenderBringsNoList(t *testing.T) {
	for _, text := range []string{`{"type":"message","to":"a","data":%d}`, `{"type":"message","data":%d}`} {
		l := still(Options{FanOut: 1, FanOutBurst: 1})
		a, box := l.connect(8 * pong("").Cost())
		l.join(a, "r", "a", "")
		b, answers := l.connect(1 << 20)
		l.join(b, "r", "b", "")
		l.finish()
		read(box)
		read(answers)
		l.apply(&Rename{Client: a, Name: "A"})
		for i := range 2 { // a sender's share of this queue
			l.apply(forwardIn(b, "r", "b", fmt.Sprintf(text, i)))
		}
		got := strings.Join(read(box), "\n")
		if strings.Count(got, `"message"`) != 2 || strings.Contains(got, "room_members") {
			t.Errorf("a got %s", got)
		}
		if refused := read(answers); len(refused) > 0 {
			t.Errorf("b got %q", refused)
		}
	}
}

// The list that a newcomer's message to one member needs is at the newcomer's cost too.
func TestForcedListToOneIsBounded(t *testing.T) {
	l := still(Options{FanOut: 1, FanOutBurst: 2000})
	a, box := l.connect(1 << 20)
	l.join(a, "r", "a", "")
	stranger, answers := l.connect(1 << 20)
	for range 100 {
		l.join(stranger, "r", "x", "")
		l.apply(forwardIn(stranger, "r", "x", `{"type":"message","to":"a","data":1}`))
		l.apply(Leave{stranger})
	}
	const list = len(`{"type":"room_members","room":"r","members":["a","x"]}`) + 2
	if n := strings.Count(strings.Join(read(box), "\n"), `"message"`); n != 2000/list {
		t.Errorf("%d of 100 messages came, each with a list of %d bytes", n, list)
	}
	if got := strings.Join(read(answers), "\n"); !strings.Contains(got, `"congested"`) {
		t.Error("nothing was refused")
	}
}

// The limit on copies changes for connections that are there.
func TestFanOutChanges(t *testing.T) {
	l := still(Options{FanOut: 1, FanOutBurst: 1})
	a, _ := l.connect(1 << 20)
	l.join(a, "r", "a", "")
	b, box := l.connect(1 << 20)
	l.join(b, "r", "b", "")
	c, _ := l.connect(1 << 20) // one receiver is no copy
	l.join(c, "r", "c", "")
	l.finish()
	comes := func() bool {
		read(box)
		l.apply(forwardIn(a, "r", "a", `{"type":"message","data":1}`))
		return strings.Contains(strings.Join(read(box), ""), `"message"`)
	}
	if comes() {
		t.Error("nothing is limited")
	}
	l.options.Current.Store(&Limits{FanOut: 1 << 20, FanOutBurst: 1 << 20})
	if !comes() {
		t.Error("a higher limit is not in force")
	}
	l.options.Current.Store(&Limits{FanOut: 1, FanOutBurst: 1})
	if comes() {
		t.Error("a lower limit is not in force")
	}
	l.options.Current.Store(&Limits{})
	if !comes() {
		t.Error("there is still a limit")
	}
}

// The log tells of a forwarded message at the level debug, without what it says.
func TestLogOfAForward(t *testing.T) {
	core, logged := observer.New(zap.DebugLevel)
	l := still(Options{})
	l.log = zap.New(core)
	a, _ := l.connect(1 << 20)
	l.join(a, "r", "a", "")
	b, _ := l.connect(1 << 20)
	l.join(b, "r", "b", "")
	logged.TakeAll()
	l.apply(forwardIn(b, "r", "b", `{"type":"offer","to":"a","sdp":"secret"}`))
	lines := logged.FilterMessage(event.Forward).All()
	if len(lines) != 1 {
		t.Fatalf("%d lines", len(lines))
	}
	fields := fmt.Sprint(lines[0].ContextMap())
	if f := lines[0].ContextMap(); f[event.FieldTo] != "a" || f[event.FieldID] != "b" || f[event.FieldType] != "offer" {
		t.Errorf("the line has %s", fields)
	}
	if strings.Contains(fields, "secret") {
		t.Errorf("the line tells what was said: %s", fields)
	}
}
