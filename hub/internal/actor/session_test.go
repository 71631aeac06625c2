package actor

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

const window = 15 * time.Second

// pair makes a hub with a resumable member and another that sends to it. The
// resumable one has read joined and the list of both.
func pair(t *testing.T, h *Hub, limit int) (lost, other *peer) {
	t.Helper()
	lost, other = newPeer(t, h, limit), newPeer(t, h, quietLimit)
	other.join("r", "other")
	if !lost.joinResumable("r", "lost") {
		t.Fatal("not let in")
	}
	if m := lost.next(); m.Type != "joined" || m.Session == "" {
		t.Fatalf("got %+v", m)
	}
	lost.sees("lost", "other")
	other.sees("lost", "other")
	return lost, other
}

// wantMissed reads resumed, the missed messages and the list that ends them.
func wantMissed(t *testing.T, p *peer, data ...string) {
	t.Helper()
	if m := p.next(); m.Type != "resumed" || m.Missed != len(data) || m.Room != "r" || m.From != "lost" {
		t.Fatalf("got %+v, want resumed with %d missed", m, len(data))
	}
	for _, d := range data {
		if m := p.next(); m.Type != "message" || string(m.Data) != d {
			t.Fatalf("got %+v, want %s", m, d)
		}
	}
	if m := p.next(); m.Type != "room_members" {
		t.Fatalf("got %+v, want the members", m)
	}
}

func TestResume(t *testing.T) {
	h := newHub(t, Options{ResumeWindow: window})
	lost, other := pair(t, h, quietLimit)
	other.send("lost", "1")
	lost.until(func(m message) bool { return m.Type == "message" })
	other.send("lost", "2")
	other.send("lost", "3")
	lost.sync()
	lost.lose()
	other.send("lost", "4") // while it is away
	other.sync()

	// It has read joined, the members and the first message.
	second := newPeer(t, h, quietLimit)
	if !second.resumes(lost, 3) {
		t.Fatal("not resumed")
	}
	wantMissed(t, second, "2", "3", "4")
	other.send("lost", "5")
	if m := second.next(); string(m.Data) != "5" {
		t.Errorf("got %+v", m)
	}
	second.send("other", "6")
	if m := other.next(); m.Type != "message" || m.From != "lost" {
		t.Errorf("the others saw %+v", m)
	}
	if n := h.Stats.Suspended.Load(); n != 0 {
		t.Errorf("%d members are suspended", n)
	}
}

// However often the connection breaks, also while missed messages are sent, each
// message comes once.
func TestResumeAgainAndAgain(t *testing.T) {
	const messages = 40
	h := newHub(t, Options{ResumeWindow: window})
	lost, other := pair(t, h, quietLimit)
	var got []string
	received := 2
	for i := range messages {
		other.send("lost", fmt.Sprint(i))
	}
	for round := 0; len(got) < messages; round++ {
		lost.sync()
		lost.lose()
		next := newPeer(t, h, quietLimit)
		if !next.resumes(lost, received) {
			t.Fatalf("round %d: not resumed after %d messages", round, received)
		}
		lost = next
		if m := lost.next(); m.Type != "resumed" || m.Missed < messages-len(got) {
			t.Fatalf("got %+v", m)
		}
		received++
		for range round % 4 { // and then it breaks again
			m := lost.next()
			received++
			if m.Type == "message" {
				got = append(got, string(m.Data))
			}
		}
	}
	for i, data := range got {
		if data != fmt.Sprint(i) {
			t.Fatalf("got %v", got)
		}
	}
}

// Frames that a pong has acknowledged are no longer kept, and the rest stays within
// the outbox's bytes.
func TestHistoryIsBounded(t *testing.T) {
	h := newHub(t, Options{ResumeWindow: window})
	lost, other := pair(t, h, 10_000)
	lost.out.Urgent(frame.Ping(nil), 1)
	lost.out.Flush()
	for range 2000 {
		other.send("lost", "1")
		lost.until(func(m message) bool { return m.Type == "message" })
	}
	lost.sync()
	lost.out.mu.Lock()
	kept, had := lost.out.history.bytes, lost.out.history.had
	lost.out.mu.Unlock()
	if kept > 10_000 || had < 1000 {
		t.Errorf("%d bytes are kept, %d messages are not", kept, had)
	}
	lost.out.Urgent(frame.Ping(nil), 1)
	lost.out.Flush()
	for done := false; !done; {
		lost.out.Acknowledged()
		lost.out.mu.Lock()
		done = len(lost.out.history.sent) == 0
		lost.out.mu.Unlock()
	}
	lost.lose()
	second := newPeer(t, h, quietLimit)
	if !second.resumes(lost, 2002) {
		t.Error("not resumed, although all that is not kept was received")
	}
}

func TestResumeTooFarBehind(t *testing.T) {
	h := newHub(t, Options{ResumeWindow: window})
	lost, other := pair(t, h, 10_000)
	for range 500 {
		other.send("lost", "1")
		lost.until(func(m message) bool { return m.Type == "message" })
	}
	lost.lose()
	second := newPeer(t, h, quietLimit)
	if second.resumes(lost, 2) {
		t.Error("resumed, although messages are gone")
	}
	second.wantError(wire.CodeSessionExpired)
	other.sees("other")
	if !second.join("r", "lost") {
		t.Error("could not join anew")
	}
}

func TestResumeRefused(t *testing.T) {
	h := newHub(t, Options{ResumeWindow: window})
	lost, other := pair(t, h, quietLimit)
	stranger := newPeer(t, h, quietLimit)
	guess := lost.session[:len(lost.session)-2] + "AA"
	for _, session := range []string{"", "x", guess, NewSession(0)} {
		if stranger.resumes(&peer{session: session}, 0) {
			t.Errorf("%q was taken for the session", session)
		}
		stranger.wantError(wire.CodeSessionExpired)
	}
	if other.resumes(lost, 2) {
		t.Error("a member of a room resumed another membership")
	}
	other.wantError(wire.CodeAlreadyJoined)
	lost.lose()
	if stranger.resumes(lost, 1000) {
		t.Error("resumed with more messages than there were")
	}
	stranger.wantError(wire.CodeSessionExpired)
}

// A session is over when its member leaves.
func TestSessionEndsWithMembership(t *testing.T) {
	h := newHub(t, Options{ResumeWindow: window})
	for name, end := range map[string]func(p *peer){
		"leave": func(p *peer) { p.do(Leave{p.client}) },
		"close": func(p *peer) {
			p.do(&Disconnect{Client: p.client, Code: wire.CloseNormal, Reason: event.ReasonClosed})
			p.lose()
		},
	} {
		lost, other := pair(t, h, quietLimit)
		end(lost)
		other.sees("other")
		second := newPeer(t, h, quietLimit)
		if second.resumes(lost, 2) {
			t.Errorf("%s: resumed", name)
		}
		second.wantError(wire.CodeSessionExpired)
		other.do(Leave{other.client})
	}
	other := newPeer(t, h, quietLimit)
	plain := newPeer(t, h, quietLimit)
	other.join("r", "other")
	plain.join("r", "plain")
	other.sees("other", "plain")
	plain.lose() // not resumable
	other.sees("other")
}

// A resume while the old connection looks alive takes over at once.
func TestTakeOver(t *testing.T) {
	h := newHub(t, Options{ResumeWindow: window})
	old, other := pair(t, h, quietLimit)
	old.stall()
	other.send("lost", "1")
	other.sync()
	second := newPeer(t, h, quietLimit)
	if !second.resumes(old, 2) {
		t.Fatal("not resumed")
	}
	wantMissed(t, second, "1")
	old.goOn()
	old.mu.Lock()
	for old.closed == 0 {
		old.come.Wait()
	}
	if old.closed != wire.CloseReplaced {
		t.Errorf("the old connection was closed with %d", old.closed)
	}
	old.mu.Unlock()
	old.lose()
	other.send("lost", "2")
	if m := second.next(); string(m.Data) != "2" {
		t.Errorf("got %+v", m)
	}
}

func TestSessionExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Options{ResumeWindow: window})
		defer h.Close()
		lost, other := pair(t, h, quietLimit)
		lost.lose()
		time.Sleep(window - time.Second)
		second := newPeer(t, h, quietLimit)
		if !second.resumes(lost, 2) {
			t.Fatal("not resumed in time")
		}
		wantMissed(t, second)
		time.Sleep(10 * window) // the timer of the first loss means nothing now
		other.send("lost", "1")
		if m := second.next(); string(m.Data) != "1" {
			t.Errorf("got %+v", m)
		}
		second.lose()
		start := time.Now()
		other.sees("other")
		if d := time.Since(start); d != window {
			t.Errorf("left after %s", d)
		}
		third := newPeer(t, h, quietLimit)
		if third.resumes(second, 5) {
			t.Error("resumed too late")
		}
		third.wantError(wire.CodeSessionExpired)
	})
}

// Messages that the outbox of a member that is away can't hold are refused, whoever has filled it.
// Those that it holds arrive after the resume.
func TestOverflowWhileAway(t *testing.T) {
	h := newHub(t, Options{ResumeWindow: window})
	lost, other := pair(t, h, 4000)
	lost.lose()
	accepted := 0
	for i := range 2 * sharePart {
		p := newPeer(t, h, quietLimit)
		p.join("r", fmt.Sprint(i))
		for range 20 {
			p.send("lost", `"`+strings.Repeat("x", 300)+`"`)
		}
		p.send("nobody", "1")
		accepted += 20
		for m := p.next(); m.Code != "target_not_found"; m = p.next() {
			if m.Code == "congested" {
				accepted--
			}
		}
	}
	if accepted == 0 || accepted > 4000/300 {
		t.Errorf("%d messages were taken", accepted)
	}
	second := newPeer(t, h, quietLimit)
	if !second.resumes(lost, 2) {
		t.Fatal("not resumed")
	}
	for range accepted {
		second.until(func(m message) bool { return m.Type == "message" })
	}
	other.send("lost", "1")
	second.until(func(m message) bool { return string(m.Data) == "1" })
}

// Draining ends memberships without a connection too.
func TestDrainEndsSessions(t *testing.T) {
	h := newHub(t, Options{ResumeWindow: window})
	lost, other := pair(t, h, quietLimit)
	lost.lose()
	h.do(t, drain{})
	other.lose()
	if err := h.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if h.Stats.Members.Load() != 0 || h.Stats.Suspended.Load() != 0 {
		t.Errorf("%d members, %d suspended", h.Stats.Members.Load(), h.Stats.Suspended.Load())
	}
}

func (h *Hub) do(t *testing.T, c Command) {
	if err := h.Do(c); err != nil {
		t.Error(err)
	}
}
