package actor

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/hub/event"
)

// crowd makes a loop with a room "r" of n members that take changes, whose slices are small,
// and lets all that they were told be read.
func crowd(t *testing.T, n, slice int) (*loop, []*Client, []*Outbox) {
	t.Helper()
	l := still(Options{ResumeWindow: time.Minute})
	var clients []*Client
	var boxes []*Outbox
	for i := range n {
		c, box := l.connect(1 << 20)
		l.joinWith(c, &Join{ID: fmt.Sprintf("m%04d", i), Changes: true})
		clients, boxes = append(clients, c), append(boxes, box)
	}
	l.finish()
	l.now = l.now.Add(time.Minute)
	for _, box := range boxes {
		read(box)
	}
	l.slice = slice
	return l, clients, boxes
}

// count returns how many queues hold something.
func count(boxes []*Outbox) (n int) {
	for _, box := range boxes {
		if box.Backlog() > 0 {
			n++
		}
	}
	return n
}

// A message to a large room goes out a slice in each batch, and what two other members say
// to each other in between is queued in the batch that it comes in.
func TestSlices(t *testing.T) {
	for what, all := range map[string]func(l *loop, c *Client){
		"a leave":         func(l *loop, c *Client) { l.apply(Leave{c}) },
		"a message":       func(l *loop, c *Client) { l.apply(forwardIn(c, "r", "m0000", `{"type":"message","data":"all"}`)) },
		"an announcement": func(l *loop, c *Client) { l.apply(&Announce{Order: Order{Room: "r"}, Data: []byte("1")}) },
	} {
		l, clients, boxes := crowd(t, 100, 10)
		all(l, clients[0])
		if n := count(boxes[1:]); n > 0 {
			t.Errorf("%s: %d of 100 have it at once", what, n)
		}
		for i := 1; i == 1 || len(l.rounds) > 0; i++ {
			last, before := boxes[99], boxes[99].Backlog()
			if i == 5 {
				l.apply(forwardIn(clients[98], "r", "m0098", `{"type":"message","to":"m0099","data":"you"}`))
				if last.Backlog() <= before {
					t.Errorf("%s: a message between two others waits for the round", what)
				}
			}
			l.finish()
			if n := count(boxes[1:99]); n < min(9*i, 98) || n > 10*i+1 {
				t.Errorf("%s: %d have it after %d slices of 10", what, n, i)
			}
		}
		if n := count(boxes[1:]); n != 99 {
			t.Errorf("%s: %d of 99 have it in the end", what, n)
		}
		if l.copies != 0 {
			t.Errorf("%s: %d copies are still counted", what, l.copies)
		}
	}
}

// To each member, messages to the whole room are where they would be if they had come to all
// at once: before what others send it later, before what its room is told later, and before
// the end of its connection. Those who join later do not get them.
func TestRoundsKeepTheOrder(t *testing.T) {
	l, clients, boxes := crowd(t, 40, 10)
	l.apply(forwardIn(clients[0], "r", "m0000", `{"type":"message","data":"first"}`))
	l.apply(forwardIn(clients[1], "r", "m0001", `{"type":"message","to":"m0039","data":"second"}`))
	l.apply(forwardIn(clients[0], "r", "m0000", `{"type":"message","data":"third"}`))
	l.apply(Leave{clients[0]})
	late, lateBox := l.connect(1 << 20)
	l.joinWith(late, &Join{ID: "m9999", Changes: true})
	l.apply(&Disconnect{Client: clients[38], Code: 1000})
	l.apply(Unregister{clients[30], event.ReasonLost})
	for range 20 {
		l.finish()
	}
	order := func(box *Outbox) (words []string) {
		for _, text := range read(box) {
			for _, word := range []string{"first", "second", "third", `"left":["m0000"`, "room_members", "\x03\xe8"} {
				if strings.Contains(text, word) {
					words = append(words, word)
				}
			}
		}
		return words
	}
	for box, want := range map[*Outbox][]string{
		boxes[20]: {"first", "third", `"left":["m0000"`},
		boxes[39]: {"first", "second", "third", `"left":["m0000"`},
		boxes[38]: {"first", "third", "\x03\xe8"},
		lateBox:   {"room_members"},
	} {
		if got := order(box); !slices.Equal(got, want) {
			t.Errorf("%s got %q, want %q", l.idOfBox(box), got, want)
		}
	}
}

func (l *loop) idOfBox(box *Outbox) string {
	for _, c := range l.clients {
		if c.out == box {
			return idOf(c)
		}
	}
	return "somebody"
}

// A member that speaks to the whole room as it comes, and goes, is no stranger to anybody.
func TestStrangerSpeaksToALargeRoom(t *testing.T) {
	l, clients, boxes := crowd(t, 40, 10)
	x, _ := l.connect(1 << 20)
	l.join(x, "r", "x", "")
	l.apply(forwardIn(x, "r", "x", `{"type":"message","data":"hello"}`))
	l.apply(Leave{x})
	for range 20 {
		l.finish()
	}
	for i, box := range boxes {
		got := strings.Join(read(box), "\n")
		l.apply(CaughtUp{clients[i]})
		got += strings.Join(read(box), "\n")
		joined, hello, left := strings.Index(got, `"joined":["x"]`), strings.Index(got, "hello"), strings.Index(got, `"left":["x"]`)
		if joined < 0 || hello < joined || left < hello {
			t.Fatalf("%s got %s", l.idOfBox(box), got)
		}
	}
}

// The messages of a member to a large room before it leaves come before the list or the changes
// without it, also if an earlier message of an unknown member needs those.
func TestLastWordsComeBeforeTheLeave(t *testing.T) {
	l, clients, boxes := crowd(t, 40, 10)
	x, _ := l.connect(1 << 20)
	l.rooms["r"].heldTo = l.now.Add(time.Second)
	l.join(x, "r", "x", "")
	l.finish() // tells x alone
	l.apply(forwardIn(x, "r", "x", `{"type":"message","data":"hello"}`))
	l.apply(forwardIn(clients[0], "r", "m0000", `{"type":"message","data":"bye"}`))
	l.apply(Leave{clients[0]})
	for range 20 {
		l.finish()
	}
	for i, box := range boxes[1:] {
		got := strings.Join(read(box), "\n")
		l.apply(CaughtUp{clients[i+1]})
		got += strings.Join(read(box), "\n")
		hello, bye, left := strings.Index(got, "hello"), strings.Index(got, "bye"), strings.Index(got, `"left":["m0000"]`)
		if hello < 0 || bye < hello || left < bye {
			t.Fatalf("%s got %s", l.idOfBox(box), got)
		}
	}
}

// Newcomers of a large room that is being told get their list at once.
func TestNewcomerInARound(t *testing.T) {
	l, clients, _ := crowd(t, 100, 10)
	l.apply(Leave{clients[0]})
	l.finish()
	x, box := l.connect(1 << 20)
	l.join(x, "r", "z", "")
	l.finish()
	if got := read(box); len(got) != 2 || !strings.Contains(got[1], "room_members") {
		t.Errorf("got %q", got)
	}
}

// While too many copies wait for rounds, no commands are taken.
func TestCopiesHoldBackCommands(t *testing.T) {
	l := still(Options{})
	l.hub.closing = make(chan struct{})
	l.hub.commands = make(chan Command, 1)
	l.hub.commands <- Leave{}
	l.rounds = []*room{{}}
	for _, c := range []struct {
		copies int
		taken  bool
	}{{maxCopies + 1, false}, {maxCopies, true}, {0, false}} {
		l.copies = c.copies
		if got, goesOn := l.next(); !goesOn || (got != nil) != c.taken {
			t.Errorf("with %d copies: %v, %v", c.copies, got, goesOn)
		}
	}
}

// More messages to a large room than the loop keeps up with are lost to nobody.
func TestTooManyCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, Options{})
		const members = sliceMembers + 10
		var all []*peer
		for i := range members {
			p := newPeer(t, h, quietLimit)
			p.join("r", fmt.Sprint("m", i))
			all = append(all, p)
		}
		const messages = 2 * maxCopies / members
		for i := range messages {
			all[0].send("", fmt.Sprint(i))
		}
		synctest.Wait()
		for _, p := range all[1:] {
			n := 0
			for _, m := range p.all {
				if m.Type == "message" {
					if string(m.Data) != fmt.Sprint(n) {
						t.Fatalf("%s got %s, want %d", p.id, m.Data, n)
					}
					n++
				}
			}
			if n != messages {
				t.Fatalf("%s got %d of %d messages", p.id, n, messages)
			}
		}
		for _, p := range all {
			p.do(Unregister{p.client, event.ReasonLost})
		}
		h.Close()
		synctest.Wait()
	})
}
