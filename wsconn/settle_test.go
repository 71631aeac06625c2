package wsconn

import (
	"runtime"
	"slices"
	"testing"
	"weak"

	"github.com/parley-rtc/parley/hub/wire"
)

// newPassing makes a membership of no hub that has passed on n messages. What it passes on
// again goes nowhere.
func newPassing(t *testing.T, n int) *Membership {
	m := &Membership{conn: new(Conn), ended: true}
	for range n {
		m.note(sent{Outgoing: &Outgoing{Text: []byte("x"), Patience: patience}})
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
	p := m.passed.sent
	gone := []weak.Pointer[Outgoing]{weak.Make(p[0].Outgoing), weak.Make(p[1].Outgoing), weak.Make(p[2].Outgoing)}
	stays := weak.Make(p[4].Outgoing)
	m.settle(1, wire.NoCode)
	m.settle(2, wire.CodeTargetNotFound)
	m.settle(3, wire.CodeTargetNotFound)
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
