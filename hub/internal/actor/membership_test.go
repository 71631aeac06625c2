package actor

import (
	"strings"
	"testing"
	"time"
)

// A list that waits is replaced by a newer one as long as nobody has left since it was
// queued; what came behind it stays behind it.
func TestWaitingListIsReplaced(t *testing.T) {
	l := still(Options{})
	a, box := l.connect(1 << 20)
	l.join(a, "r", "a", "")
	b, _ := l.connect(1 << 20)
	l.join(b, "r", "b", "")
	c, _ := l.connect(1 << 20)
	l.join(c, "r", "c", "")
	l.finish()
	read(box)
	l.apply(Leave{c})
	l.finish() // this list waits
	l.apply(forwardIn(b, "r", "b", `{"type":"message","to":"a","data":1}`))
	l.apply(&Rename{Client: b, Name: "B"})
	l.finish()
	got := read(box)
	if len(got) != 2 || !strings.Contains(got[0], `"names":{"b":"B"}`) || !strings.Contains(got[1], `"message"`) {
		t.Errorf("got %q", got)
	}
}

// A room may send listBurst bytes of lists at the fast pace, then it pays back at the
// slow one. It never waits for longer than maxHold, nor owes for longer what a crowd has
// cost, and time pays its debts.
func TestPay(t *testing.T) {
	r, now := new(room), time.Now()
	for i, c := range []struct {
		after time.Duration
		bytes float64
		want  time.Duration
	}{
		{0, 10e6, 500 * time.Millisecond},
		{0, 10e6, 500 * time.Millisecond},
		{0, 2e6, time.Second},
		{time.Second, 1e6, 500 * time.Millisecond},
		{0, 1e5, 550 * time.Millisecond},
		{300 * time.Millisecond, 1e5, 300 * time.Millisecond},
		{time.Minute, 10e6, 500 * time.Millisecond},
		{time.Minute, 100e6, maxHold},
		{maxHold, 1e6, 500 * time.Millisecond},
	} {
		now = now.Add(c.after)
		if got := r.pay(c.bytes, now); got.Round(time.Microsecond) != c.want {
			t.Errorf("step %d: %s, want %s", i, got, c.want)
		}
	}
}

// A room knows how long its list is, so that the list is made in one piece: whoever
// joins, leaves, and changes nickname or profile, to the byte.
func TestListsFitTheirBuffer(t *testing.T) {
	l := still(Options{})
	around := -1 // what a list has besides its members
	check := func(when string) {
		t.Helper()
		r := l.rooms["r"]
		if n := len(r.roomState().Payload()) - r.textBytes; around < 0 {
			around = n
		} else if n != around {
			t.Errorf("%s: %d bytes are counted, the list has %d", when, r.textBytes, r.textBytes+n-around)
		}
	}
	first, _ := l.connect(1 << 20)
	l.join(first, "r", "first", "")
	describe := func(c *Client, name, meta string) {
		l.apply(&Rename{Client: c, Name: name})
		l.apply(&Update{Client: c, Meta: []byte(meta)})
	}
	describe(first, "F", "1")
	check("one member")
	for i := range 50 {
		c, _ := l.connect(1 << 20)
		l.join(c, "r", longID(i), "")
		check("joined")
		describe(c, strings.Repeat("n", i+1), `{"a":"`+strings.Repeat("m", i)+`"}`)
		check("described")
		if i%2 == 0 {
			describe(c, "N", "[]")
			check("described again")
			l.apply(Leave{c})
			check("left")
		}
	}
}
