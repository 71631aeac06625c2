package peerjs

import (
	"fmt"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn"
	"github.com/parley-rtc/parley/wsconn/internal/dialecttest"
	"github.com/parley-rtc/parley/wsconn/internal/sized"
)

// Of many absent peers, each has its turn before its messages expire, however many there are.
func TestEachAbsentPeerIsTriedBeforeItsMessagesExpire(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{Expire: 5 * time.Second}), func(o *wsconn.Options, _ *hub.Options) {
		o.Rate, o.PerAddress.Rate = -1, -1
	})
	a := open(s, "a")
	const absent = 1000
	for i := range absent {
		a.Send(fmt.Sprintf(`{"type":"OFFER","dst":"b%d","payload":1}`, i))
	}
	come := map[string]*dialecttest.Client{}
	for i := 0; i < absent; i += 50 {
		id := fmt.Sprintf("b%d", i)
		come[id] = open(s, id)
	}
	for id, b := range come {
		b.Want(`{"type":"OFFER","src":"a","dst":"` + id + `","payload":1}`)
	}
}

var toB = wsconn.Outgoing{To: []byte("b")}

// Whatever becomes of a message that is tried again, its receiver is either tried again, or
// nothing waits for it any more.
func TestWhatIsTriedAgainIsNeverStuck(t *testing.T) {
	for _, code := range []wire.Code{wire.NoCode, wire.CodeTargetNotFound, wire.CodeCongested, wire.CodeUnavailable, wire.CodeForbidden} {
		for _, waits := range []bool{false, true} {
			for _, final := range []bool{false, true} {
				for behind := range 2 {
					t.Run(fmt.Sprint(code, waits, final, behind), func(t *testing.T) {
						s := newSender("a", nil, time.Hour)
						a := &absent{dst: "b", trying: true, final: final}
						s.absent["b"], s.line = a, append(s.line, a)
						if behind == 1 {
							s.keep(a, &message{n: 2, Outgoing: toB, waits: true})
						}
						s.order.Lock() // nothing is passed on here
						s.outcome(&wsconn.Outgoing{Data: &message{n: 1, Outgoing: toB, waits: waits, again: true}}, code, new(wsconn.Messages))
						s.mu.Lock()
						defer s.order.Unlock()
						defer s.mu.Unlock()
						switch left := s.absent["b"]; {
						case left == nil && (len(s.line) > 0 || s.n != 0 || s.bytes != 0):
							t.Errorf("%d in line, %d messages", len(s.line), s.n)
						case left != nil && (left.trying || len(left.queue) == 0 && !left.there):
							t.Errorf("%+v", left)
						}
						s.drop(a) // for what follows up
					})
				}
			}
		}
	}
}

func TestAFinalTryTellsOfAllThatExpires(t *testing.T) {
	for _, waits := range []bool{false, true} {
		s := newSender("a", nil, time.Hour)
		a := &absent{dst: "b", trying: true, final: true}
		s.absent["b"], s.line = a, append(s.line, a)
		s.keep(a, &message{n: 2, Outgoing: toB, waits: waits})
		var out wsconn.Messages
		s.outcome(&wsconn.Outgoing{Data: &message{n: 1, Outgoing: toB, again: true}}, wire.CodeTargetNotFound, &out)
		if told := out.Len() > 0; told != waits || len(s.absent) > 0 {
			t.Errorf("waits %v: told %v, %d absent", waits, told, len(s.absent))
		}
	}
}

// What waits for long does not keep the memory of a larger message, which is not counted.
func TestWhatWaitsTakesNoMoreThanItIs(t *testing.T) {
	s := newSender("a", nil, time.Hour)
	m := &message{buf: make([]byte, sized.Largest)}
	(&incoming{typ: "OFFER", dst: []byte("b"), payload: []byte(`"short"`)}).write(m)
	s.keep(new(absent), m)
	if string(m.To) != "b" || string(m.Body) != `"short"` || cap(m.buf) > 128 {
		t.Errorf("%q to %q takes %d bytes", m.Body, m.To, cap(m.buf))
	}
}
