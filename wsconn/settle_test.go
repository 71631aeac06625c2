package wsconn

import (
	"runtime"
	"slices"
	"testing"
	"time"
	"weak"

	"github.com/parley-rtc/parley/hub/wire"
)

// newPassing makes a membership of no hub that has passed on n messages. Messages that it passes on
// again go nowhere.
func newPassing(t *testing.T, n int) *Membership {
	m := &Membership{conn: new(Conn), ended: true, outcome: func(*Outgoing, wire.Code, *Messages) {}}
	m.conn.passing.most = passingBytes
	for range n {
		m.note(sent{Outgoing: &Outgoing{Body: []byte("1"), Patience: patience}})
	}
	t.Cleanup(m.forget)
	return m
}

// numbers returns which messages those are.
func numbers(all []sent) (n []uint64) {
	for _, s := range all {
		n = append(n, s.n)
	}
	return n
}

// A cluster's edge refuses by itself, before the answers to what the owner has got.
func TestARefusalSaysNothingOfTheMessagesBefore(t *testing.T) {
	m := newPassing(t, 4)
	carriedOut, refused := m.settle(3, wire.CodeTargetNotFound)
	if len(carriedOut) != 0 || refused == nil || refused.n != 3 {
		t.Fatalf("carried out: %v; refused: %v", numbers(carriedOut), refused)
	}
	if carriedOut, refused = m.settle(1, wire.CodeTargetNotFound); len(carriedOut) != 0 || refused == nil || refused.n != 1 {
		t.Fatalf("carried out: %v; refused: %v", numbers(carriedOut), refused)
	}
	carriedOut, _ = m.settle(4, wire.NoCode)
	if got := numbers(carriedOut); !slices.Equal(got, []uint64{2, 4}) {
		t.Errorf("carried out are %v", got)
	}
	if m.conn.passing.bytes != 0 {
		t.Errorf("%d bytes are counted in the end", m.conn.passing.bytes)
	}
}

func TestOfWhatIsSettledNothingIsKept(t *testing.T) {
	m := newPassing(t, 5)
	p := m.passed.sent.waiting()
	gone := []weak.Pointer[Outgoing]{weak.Make(p[0].Outgoing), weak.Make(p[1].Outgoing), weak.Make(p[2].Outgoing)}
	stays := weak.Make(p[4].Outgoing)
	m.settle(1, wire.NoCode)
	m.settle(2, wire.CodeTargetNotFound)
	m.settle(3, wire.CodeTargetNotFound)
	m.conn.forgetSettled()
	runtime.GC()
	for i, g := range gone {
		if g.Value() != nil {
			t.Errorf("message %d is kept", i+1)
		}
	}
	if stays.Value() == nil {
		t.Error("a message was forgotten whose outcome is not known")
	}
	runtime.KeepAlive(m)
}

// waits returns how many messages wait to be tried again.
func (m *Membership) waits() int {
	m.conn.passing.mu.Lock()
	defer m.conn.passing.mu.Unlock()
	return len(m.passed.again)
}

// The client's next message must not overtake one that was refused.
func TestTheClientIsNotReadUntilWhatWasRefusedIsCarriedOut(t *testing.T) {
	m := newPassing(t, 1)
	reads := func() bool { return m.conn.passing.wait() == nil }
	m.settle(1, wire.CodeCongested)
	if reads() {
		t.Error("it is read while a message waits to be tried again")
	}
	again := m.passed.again[0]
	m.mu.Lock() // as while others are passed on
	tried := make(chan struct{})
	go func() {
		defer close(tried)
		m.passAgain() // goes nowhere
	}()
	for m.waits() > 0 {
		time.Sleep(time.Millisecond)
	}
	if reads() {
		t.Error("it is read before the message is tried again")
	}
	m.mu.Unlock()
	<-tried
	m.note(again)
	if reads() {
		t.Error("it is read while a message is tried again")
	}
	if m.settle(2, wire.NoCode); !reads() {
		t.Error("it is not read although all is carried out")
	}
}

func TestWhatWasRefusedIsTriedAgainInItsOrder(t *testing.T) {
	m := newPassing(t, 3)
	for _, n := range []uint64{2, 3, 1} {
		m.settle(n, wire.CodeCongested)
	}
	if got := numbers(m.passed.again); !slices.Equal(got, []uint64{1, 2, 3}) {
		t.Errorf("the order is %v", got)
	}
}

// Receivers are as long as clients say, and memory that is used again as long as what it had before.
func TestAllMemoryOfWhatIsPassedOnIsCounted(t *testing.T) {
	for name, o := range map[string]*Outgoing{
		"receiver": {To: make([]byte, passingBytes)},
		"body":     {Body: make([]byte, passingBytes)},
		"room":     {To: make([]byte, 0, passingBytes/2), Body: make([]byte, 0, passingBytes/2)},
	} {
		m := newPassing(t, 0)
		m.note(sent{Outgoing: o})
		if m.conn.passing.wait() == nil {
			t.Errorf("%s: the client is read on with %d bytes counted", name, m.conn.passing.bytes)
		}
		if m.settle(1, wire.NoCode); m.conn.passing.bytes != 0 {
			t.Errorf("%s: %d bytes are counted in the end", name, m.conn.passing.bytes)
		}
	}
}

// A client is in up to 1,000 rooms, and waits for what it has sent to one.
func TestNoPongIsAskedForWhereNothingIsUnderWay(t *testing.T) {
	m := newPassing(t, 1)
	m.settle(1, wire.CodeTargetNotFound) // the pong behind it is lost
	m.ended = false
	m.mark() // it would need a hub
	if _, mark := m.note(sent{Outgoing: &Outgoing{}}); !mark {
		t.Error("no pong follows on the next message")
	}
}
