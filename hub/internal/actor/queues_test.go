package actor

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
)

// A receiver that does not read is closed and leaves the room. Whoever sends to it is
// told, before and afterwards, and nobody else loses anything.
func TestSlowConsumer(t *testing.T) { synctest.Test(t, testSlowConsumer) }

func testSlowConsumer(t *testing.T) {
	h := New(Options{})
	defer h.Close()
	slow := newPeer(t, h, 4<<10)
	slow.join("r", "slow")
	var senders []*peer
	for i := range sharePart + 2 {
		p := newPeer(t, h, quietLimit)
		p.join("r", fmt.Sprint(i))
		senders = append(senders, p)
	}
	a := senders[0]
	a.sees("0", "1", "2", "3", "4", "5", "slow")
	slow.stall()
	for range 10 {
		for _, p := range senders {
			p.send("slow", "1")
		}
	}
	a.sees("0", "1", "2", "3", "4", "5")
	a.send("slow", "1")
	a.until(func(m message) bool { return m.Type == "error" && m.Code == "target_not_found" })
	slow.goOn()
	slow.wantClosed(wire.CloseSlowConsumer)
	a.send("1", "2")
	senders[1].until(func(m message) bool { return string(m.Data) == "2" })
}

// One sender can't fill another's queue: it is refused, and goes on when there is
// room again. All messages that were taken in arrive, in order.
func TestCongested(t *testing.T) {
	h := newHub(t, Options{})
	a, slow := newPeer(t, h, quietLimit), newPeer(t, h, 64<<10)
	a.join("r", "a")
	slow.join("r", "slow")
	a.sees("a", "slow")
	slow.sees("a", "slow")
	slow.stall()
	const n = 1000
	for i := range n {
		a.send("slow", fmt.Sprint(i))
	}
	refused := 0
	a.send("nobody", "0")
	for m := a.next(); m.Code != "target_not_found"; m = a.next() {
		if m.Code != "congested" || m.Re != "message" {
			t.Fatalf("got %+v", m)
		}
		refused++
	}
	slow.goOn()
	for i := range n - refused {
		if m := slow.next(); string(m.Data) != fmt.Sprint(i) {
			t.Fatalf("got %+v in place of message %d", m, i)
		}
	}
	if refused == 0 || refused == n {
		t.Errorf("%d of %d messages were refused", refused, n)
	}
	a.send("slow", "-1")
	if m := slow.next(); string(m.Data) != "-1" {
		t.Errorf("after a while: %+v", m)
	}
}

// A message to a whole room waits for nobody: all others have it, while a receiver
// that does not read is closed once far more than its queue waits, or after a while.
func TestBroadcastsWaitForNobody(t *testing.T) { synctest.Test(t, testBroadcastsWaitForNobody) }

func testBroadcastsWaitForNobody(t *testing.T) {
	h := New(Options{})
	defer h.Close()
	a, b, slow := newPeer(t, h, quietLimit), newPeer(t, h, quietLimit), newPeer(t, h, 4<<10)
	for id, p := range map[string]*peer{"a": a, "b": b, "slow": slow} {
		p.join("r", id)
	}
	a.sees("a", "b", "slow")
	b.sees("a", "b", "slow")
	slow.sees("a", "b", "slow")
	slow.stall()
	const n = 1000
	for i := range n {
		a.send("", fmt.Sprint(i))
	}
	for i := 0; i < n; {
		if m := b.next(); m.Type == "message" {
			if string(m.Data) != fmt.Sprint(i) {
				t.Fatalf("got %+v in place of message %d", m, i)
			}
			i++
		}
	}
	a.sees("a", "b")
	slow.goOn()
	slow.wantClosed(wire.CloseSlowConsumer)
}

// A receiver that takes nothing while a sender is refused for it is closed after a
// while: it may not keep others from talking to the room.
func TestStalledReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Options{})
		defer h.Close()
		a, slow := newPeer(t, h, quietLimit), newPeer(t, h, 8<<10)
		a.join("r", "a")
		slow.join("r", "slow")
		a.sees("a", "slow")
		slow.sees("a", "slow")
		slow.stall()
		for range 100 {
			a.send("", "1")
		}
		time.Sleep(StallTime + time.Millisecond)
		a.sees("a")
		slow.goOn()
		slow.wantClosed(wire.CloseSlowConsumer)
	})
}

// At most one list of members waits for a receiver: a crowd that joins and leaves
// does not evict who reads late.
func TestStateIsFolded(t *testing.T) {
	h := newHub(t, Options{})
	late := newPeer(t, h, 4<<10)
	late.join("r", "late")
	late.sees("late")
	late.stall()
	other := newPeer(t, h, quietLimit)
	for i := range 300 {
		other.join("r", fmt.Sprintf("%060d", i))
		other.do(Leave{other.client})
	}
	other.join("r", "last")
	other.sync()
	late.goOn()
	late.sees("last", "late")
	late.mu.Lock()
	defer late.mu.Unlock()
	if late.closed != 0 {
		t.Errorf("closed with %d", late.closed)
	}
}
