package actor

import (
	"net/netip"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// waitingHub is a loop of a node "o" to which connections of other nodes come. Frames that are to
// arrive there do so when arrive is called.
func waitingHub() (l *loop, arrive func()) {
	var waits []func()
	var commands []Command
	l = still(Options{ResumeWindow: time.Minute, Arrived: func(then func()) bool { waits = append(waits, then); return true }})
	// The hub takes nothing by itself here: what it is given is applied at once.
	l.hub.closing = make(chan struct{})
	l.hub.commands = make(chan Command, 8)
	return l, func() {
		for _, then := range waits {
			then()
		}
		waits = nil
		for len(l.hub.commands) > 0 {
			commands = append(commands, <-l.hub.commands)
		}
		for _, c := range commands {
			l.apply(c)
		}
		commands = nil
		l.finish()
	}
}

// far is the receiver of a connection with another node: what it was sent outlives its close.
type far struct {
	Outbox
	code wire.CloseCode
}

func (f *far) Close(code wire.CloseCode, _ string) { f.code = code }

func (l *loop) connectOf(node string) (*Client, *far) {
	o := new(far)
	o.Init(new(sink), l.hub.Stats, 1<<20)
	c := NewClientOf(node, 1, netip.Addr{}, o)
	l.apply(Register{c})
	return c, o
}

// memberAt has a member join by a connection of a node, and returns its session and how many
// messages its client has had.
func (l *loop) memberAt(node string) (session string, had uint64) {
	session = NewSession(0)
	c, box := l.connectOf(node)
	l.join(c, "r", "a", session)
	l.finish()
	return session, uint64(len(read(&box.Outbox)))
}

// Of two resumes that come while the connection before is being closed the last has the
// membership, and waits until the node of that connection knows: the first does not take it
// back. It is told that it was replaced, and its owner that it can be forgotten.
func TestResumesInTurn(t *testing.T) {
	for _, lastOf := range []string{"c", "d", "b"} {
		l, arrive := waitingHub()
		session, had := l.memberAt("b")
		first, replaced := l.connectOf("c")
		last, _ := l.connectOf(lastOf)
		forgotten := 0
		done := make(chan Resumed, 1)
		l.apply(&Resume{Client: first, Session: session, Received: had, Forget: func() { forgotten++ }})
		l.apply(&Resume{Client: last, Session: session, Received: had, Done: done, Forget: func() { forgotten += 100 }})
		if last.member != nil || len(done) > 0 {
			t.Errorf("last of %s: it does not wait", lastOf)
		}
		arrive()
		arrive()
		if last.closed || last.member == nil || first.member != nil || len(done) != 1 {
			t.Fatalf("last of %s: the last has no membership", lastOf)
		}
		if replaced.code != wire.CloseReplaced || forgotten != 1 {
			t.Errorf("last of %s: the first was closed with %d, and forgotten %d times", lastOf, replaced.code, forgotten)
		}
	}
}

// A resume that has waited and is refused in the end can be forgotten.
func TestRefusedAfterWaiting(t *testing.T) {
	l, arrive := waitingHub()
	session, had := l.memberAt("b")
	again, _ := l.connectOf("c")
	forgotten := 0
	done := make(chan Resumed, 1)
	l.apply(&Resume{
		Client: again, Session: session, Received: had, Done: done, Refused: frame.Refused{Re: "resume"}, Forget: func() { forgotten++ },
	})
	l.leaveRoom(l.sessionOf(session), event.ReasonExpired)
	arrive()
	if out := <-done; out.ID != "" || forgotten != 1 {
		t.Errorf("resumed %+v, forgotten %d times", out, forgotten)
	}
}

// A resume that was delayed on its way, and counts fewer messages than the client has
// acknowledged since, is refused; the membership goes on, with its connection or without.
func TestDelayedResume(t *testing.T) {
	for _, lost := range []bool{false, true} {
		l := still(Options{ResumeWindow: time.Minute})
		session := NewSession(0)
		a, box := l.connect(1 << 20)
		l.join(a, "r", "a", session)
		l.finish()
		had := uint64(len(read(box)))
		box.Urgent(frame.Ping(nil), 0)
		read(box)
		box.Acknowledged()
		if lost {
			l.apply(Unregister{a, event.ReasonLost})
		}
		late, _ := l.connect(1 << 20)
		l.apply(&Resume{Client: late, Session: session, Received: had - 1, Refused: frame.Refused{Re: "resume"}})
		if m := l.sessionOf(session); m == nil || late.member != nil || a.closed != lost {
			t.Fatalf("lost %v: the membership is over, or another's; closed %v", lost, a.closed)
		}
		again, _ := l.connect(1 << 20)
		l.apply(&Resume{Client: again, Session: session, Received: had})
		if again.member == nil {
			t.Errorf("lost %v: it can't be resumed any more", lost)
		}
	}
}
