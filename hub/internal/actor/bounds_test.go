package actor

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// One hostile member (with a second, lost connection of its own) keeps everybody else
// from talking to the room.
func TestLostMemberSilencesTheRoom(t *testing.T) {
	l := still(Options{ResumeWindow: time.Minute, FanOut: 8 << 20, FanOutBurst: 32 << 20})
	alice, aliceBox := l.connect(1 << 20)
	l.join(alice, "r", "alice", "")
	bob, bobBox := l.connect(1 << 20)
	l.join(bob, "r", "bob", "")
	eve, eveBox := l.connect(1 << 20)
	l.join(eve, "r", "eve", "")
	eve2, _ := l.connect(1 << 20)
	l.join(eve2, "r", "eve2", NewSession(0))
	l.finish()
	l.apply(Unregister{eve2, event.ReasonLost})
	l.finish()
	message := fmt.Sprintf(`{"type":"message","data":%q}`, strings.Repeat("x", 60_000))
	for sent := 0; sent < 4<<20+128<<10; sent += len(message) { // its burst and 1/8 s of its rate
		l.apply(forwardIn(eve, "r", "eve", message))
		l.finish()
		read(aliceBox)
		read(bobBox)
		read(eveBox)
	}
	for range 300 { // what is left, with small ones
		l.apply(forwardIn(eve, "r", "eve", `{"type":"message","data":1}`))
		l.finish()
		read(aliceBox)
		read(bobBox)
		read(eveBox)
	}
	l.now = l.now.Add(10 * time.Second)
	l.apply(forwardIn(alice, "r", "alice", `{"type":"message","data":"hello"}`))
	l.finish()
	if got := strings.Join(read(bobBox), ""); !strings.Contains(got, "hello") {
		t.Errorf("bob got %q; alice got %q", got, read(aliceBox))
	}
}

// handled does not count a resume, also one that is refused.
func TestRefusedResumeIsHandled(t *testing.T) {
	l := still(Options{ResumeWindow: time.Minute})
	a, box := l.connect(1 << 20)
	s := NewSession(0)
	l.join(a, "r", "a", s)
	l.finish()
	l.apply(&Resume{Client: a, Session: s, Received: 1, Done: make(chan Resumed, 1), Refused: frame.Refused{Re: "resume"}})
	l.finish()
	received := uint64(len(read(box)))
	l.apply(Unregister{a, event.ReasonLost})
	b, _ := l.connect(1 << 20)
	done := make(chan Resumed, 1)
	l.apply(&Resume{Client: b, Session: s, Received: received, Done: done})
	if r := <-done; r.Handled != 1 {
		t.Errorf("handled is %d after a join and a refused resume", r.Handled)
	}
}

// The same, for a resume that the connection refuses (rate_limited, bad_message).
func TestResumeRefusedByTheConnectionIsHandled(t *testing.T) {
	l := still(Options{ResumeWindow: time.Minute})
	a, _ := l.connect(1 << 20)
	l.join(a, "r", "a", NewSession(0))
	l.apply(&Refuse{Client: a, Refusal: &wire.Refusal{Code: wire.CodeRateLimited}, Refused: frame.Refused{Re: "resume"}})
	if a.member.handled != 1 {
		t.Errorf("handled is %d", a.member.handled)
	}
}

// With the smallest queue that wsconn allows for messages of 64 KiB, two messages of
// one sender in one batch throw a receiver out that reads all the time.
func TestSmallQueueOneSender(t *testing.T) {
	l := still(Options{})
	a, box := l.connect(68 << 10)
	l.join(a, "r", "a", "")
	b, _ := l.connect(68 << 10)
	l.join(b, "r", "b", "")
	l.finish()
	read(box)
	for _, n := range []int{6_000, 65_000} {
		l.apply(forwardIn(b, "r", "b", fmt.Sprintf(`{"type":"message","to":"a","data":%q}`, strings.Repeat("x", n))))
	}
	l.finish()
	if a.closed {
		t.Errorf("closed with %d", box.CloseCode())
	}
}

// And the same with broadcasts: a burst that wsconn allows by default (4 MiB).
func TestSmallQueueBroadcast(t *testing.T) {
	l := still(Options{FanOut: 8 << 20, FanOutBurst: 32 << 20})
	a, box := l.connect(256 << 10)
	l.join(a, "r", "a", "")
	b, _ := l.connect(256 << 10)
	l.join(b, "r", "b", "")
	l.finish()
	read(box)
	for sent := 0; sent < 4<<20; sent += 60_000 {
		l.apply(forwardIn(b, "r", "b", fmt.Sprintf(`{"type":"message","data":%q}`, strings.Repeat("x", 60_000))))
	}
	l.finish()
	if a.closed {
		t.Errorf("closed with %d", box.CloseCode())
	}
}

// A membership whose connection is lost ends with its token.
func TestSuspendedMemberOutlivesItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, Options{ResumeWindow: time.Hour})
		a, b := newPeer(t, h, quietLimit), newPeer(t, h, quietLimit)
		b.join("r", "b")
		done := make(chan bool, 1)
		a.do(&Join{Client: a.client, Room: "r", ID: "a", Session: NewSession(0), Welcome: frame.Text([]byte(`{"type":"joined"}`)), Done: done,
			Grant: &Grant{Rights: wire.DefaultRights, Subject: "a", Expires: time.Now().Add(time.Minute)}})
		<-done
		b.sees("a", "b")
		a.do(Unregister{a.client, event.ReasonLost})
		time.Sleep(10 * time.Minute)
		b.sees("b")
		b.send("a", "1")
		b.wantError(wire.CodeTargetNotFound)
	})
}

// A list that takes the place of another while the queue becomes crowded.
func TestSharesAfterReplacedList(t *testing.T) {
	o := new(Outbox)
	l := still(Options{})
	o.Init(new(sink), l.hub.Stats, 1<<20)
	text := func(n int) *frame.Frame { return frame.Text([]byte(strings.Repeat("x", n))) }
	const eve = 7
	sendList(o, text(60_000), List{Needed: true, For: eve})
	o.Send(text(60_000), 8)
	sendList(o, text(120_000), List{InPlace: true})
	if n := o.count()[eve].direct; n < 60_000 {
		t.Errorf("the share of the sender whose list waits is %d", n)
	}
	o.Discard()
}

// A client that was registered while the hub closes is not aborted.
func TestRegisterWhileClosing(t *testing.T) {
	for range 20 {
		h := New(Options{})
		busy := make(chan struct{})
		_ = h.Do(ask[int]{func(*loop) int { <-busy; return 0 }, make(chan int, 1)})
		for range 600 {
			_ = h.Do(ask[int]{func(*loop) int { return 0 }, make(chan int, 1)})
		}
		w := &aborts{}
		var out Outbox
		out.Init(w, h.Stats, 1<<20)
		c := NewClient(1, noAddr, &out)
		if err := h.Do(Register{c}); err != nil {
			t.Fatal(err)
		}
		closed := make(chan struct{})
		go func() { h.Close(); close(closed) }()
		<-h.closing
		close(busy)
		<-closed
		if !w.aborted {
			t.Fatal("Start has said that the client is registered, Close has returned, and the connection was not ended")
		}
	}
}

type aborts struct {
	sink
	aborted bool
}

func (a *aborts) Abort() { a.aborted = true }

var noAddr netip.Addr

// A client that joins and leaves, and reads nothing, is kept no more than its queue.
func TestJoinLeaveFillsMemory(t *testing.T) {
	l := still(Options{})
	for i := range 99 {
		c, _ := l.connect(1 << 30)
		l.join(c, "r", longID(i), "")
		l.apply(&Update{Client: c, Meta: []byte(fmt.Sprintf("%q", strings.Repeat("m", 1000)))})
		l.finish()
	}
	eve, box := l.connect(1 << 20)
	for i := range 500 { // 250 s at 2 joins a second, less than wsconn allows (RateChanges 5)
		l.join(eve, "r", "eve", "")
		l.finish()
		l.apply(Leave{eve})
		l.finish()
		l.now = l.now.Add(500 * time.Millisecond)
		if n := box.Backlog(); n > 16<<20 {
			t.Fatalf("after %d joins %d MB wait in a queue of 1 MiB, and the connection is open: closed %v", i+1, n>>20, eve.closed)
		}
	}
}

// The history of written frames is bounded by the queue's limit.
func TestHistoryOfLists(t *testing.T) {
	l := still(Options{ResumeWindow: time.Minute})
	var others []*Client
	for i := range 99 {
		c, _ := l.connect(1 << 30)
		l.join(c, "r", longID(i), "")
		l.apply(&Update{Client: c, Meta: []byte(fmt.Sprintf("%q", strings.Repeat("m", 1000)))})
		others = append(others, c)
	}
	a, box := l.connect(1 << 20)
	l.join(a, "r", "a", NewSession(0))
	l.finish()
	for i := range 1000 {
		l.apply(&Update{Client: others[i%99], Meta: []byte(fmt.Sprintf("%q", strings.Repeat("m", 900)+fmt.Sprint(i)))})
		l.finish()
		l.now = l.now.Add(2 * time.Second)
		l.tellRooms()
		for _, r := range l.roomList {
			l.tellAll(r)
		}
		read(box)
		if n := box.history.bytes; n > 4<<20 {
			t.Fatalf("%d MB are kept for a queue of 1 MiB", n>>20)
		}
	}
}

// A queue without a bound.
func TestHugeQueue(t *testing.T) {
	l := still(Options{})
	a, box := l.connect(math.MaxInt)
	l.join(a, "r", "a", "")
	b, _ := l.connect(1 << 20)
	l.join(b, "r", "b", "")
	l.finish()
	for range 3 {
		l.apply(forwardIn(b, "r", "b", `{"type":"message","data":1}`))
	}
	l.finish()
	if a.closed {
		t.Errorf("closed with %d", box.CloseCode())
	}
}

// Visitors who each say one word make the queue of a client that reads nothing as large
// as they like: lists that a message needs count for nothing but their sender's share,
// and each visitor is a sender of its own.
func TestVisitorsFillMemory(t *testing.T) {
	l := still(Options{FanOut: 8 << 20, FanOutBurst: 32 << 20})
	for i := range 98 {
		c, _ := l.connect(1 << 30)
		l.join(c, "r", longID(i), "")
		l.apply(&Update{Client: c, Meta: []byte(fmt.Sprintf("%q", strings.Repeat("m", 1000)))})
	}
	idle, box := l.connect(1 << 20)
	l.join(idle, "r", "idle", "")
	l.finish()
	for i := range 1000 {
		v, vbox := l.connect(1 << 20)
		l.join(v, "r", "visitor", "")
		l.apply(forwardIn(v, "r", "visitor", `{"type":"message","to":"idle","data":1}`))
		l.finish()
		read(vbox)
		l.apply(Unregister{v, event.ReasonLost})
		l.finish()
		l.now = l.now.Add(10 * time.Millisecond)
		if n := box.Backlog(); n > 16<<20 {
			t.Fatalf("after %d visitors %d MB wait in a queue of 1 MiB; closed %v, watched %v", i+1, n>>20, idle.closed, idle.member.watched)
		}
	}
}

// A kicked member does not come back from its address by leaving its token out.
func TestKickedTokenHolderComesBackAsGuest(t *testing.T) {
	l := still(Options{KickBan: time.Minute})
	keep, _ := l.connect(1 << 20)
	l.join(keep, "r", "keep", "")
	address := netip.MustParseAddr("192.0.2.1")
	connect := func() *Client {
		o := new(Outbox)
		o.Init(new(sink), l.hub.Stats, 1<<20)
		c := NewClient(1, address, o)
		l.apply(Register{c})
		return c
	}
	eve := connect()
	done := make(chan bool, 1)
	l.apply(&Join{Client: eve, Room: "r", ID: "eve", Grant: of("eve"), Welcome: textFrame(`{}`), Done: done})
	<-done
	l.apply(&Kick{Order: Order{Room: "r"}, To: "eve"})
	if l.join(connect(), "r", "eve2", "") {
		t.Error("back at once, from the same address, as a guest")
	}
}

// The session of a member that is away is not lost to one client, however often that
// connects.
func TestOneClientReconnecting(t *testing.T) {
	l := still(Options{ResumeWindow: time.Minute})
	away, _ := l.connect(1 << 20)
	s := NewSession(0)
	l.join(away, "r", "away", s)
	l.finish()
	l.apply(Unregister{away, event.ReasonLost})
	l.finish()
	message := fmt.Sprintf(`{"type":"message","to":"away","data":%q}`, strings.Repeat("x", 50_000))
	for range 8 {
		eve, box := l.connect(1 << 20)
		l.join(eve, "r", "eve", "")
		for range 5 {
			l.apply(forwardIn(eve, "r", "eve", message))
		}
		l.finish()
		read(box)
		l.apply(Unregister{eve, event.ReasonLost})
		l.finish()
	}
	if l.sessionOf(s) == nil {
		t.Error("the session is over")
	}
}
