package actor

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/frame"
)

// A random walk over takeover, kick, leave and rejoin, slow readers and lists: nobody is
// a stranger, the last list is true, nothing leaks.
func TestWalk(t *testing.T) {
	for seed := range uint64(100) {
		walk(t, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

type walker struct {
	c      *Client
	box    *Outbox
	known  map[string]bool // from the last list that it has read, of its membership
	caught bool
}

func walk(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	l := still(Options{ResumeWindow: time.Minute, KickBan: 0})
	var ws []*walker
	connect := func() *walker {
		c, box := l.connect(1 << 16)
		w := &walker{c: c, box: box, known: map[string]bool{}}
		ws = append(ws, w)
		return w
	}
	readSome := func(w *walker, n int) {
		for range n {
			frames, skip := w.box.Take(nil, 1)
			if len(frames) == 0 {
				return
			}
			f := frames[0]
			text := append([]byte(nil), f.Payload()...)
			isText := f.IsMessage()
			if _, caught := w.box.Wrote(f.Size()-skip, time.Now()); caught {
				w.caught = true
			}
			if !isText {
				continue
			}
			var m message
			_ = json.Unmarshal(text, &m)
			switch m.Type {
			case "joined", "resumed":
				w.known = map[string]bool{}
			case "room_members":
				w.known = map[string]bool{}
				for _, id := range m.Members {
					w.known[id] = true
				}
			case "message":
				if m.From != "" && !w.known[m.From] {
					t.Errorf("stranger %s: %s", m.From, text)
				}
			}
		}
	}
	for range 5 {
		connect()
	}
	for range 400 {
		w := ws[r.IntN(len(ws))]
		switch k := r.IntN(24); {
		case w.c.closed:
			if w.c.index >= 0 {
				readSome(w, 100)
				w.box.Failed()
				l.apply(Unregister{w.c, event.ReasonLost})
			}
			ws = slices.DeleteFunc(ws, func(x *walker) bool { return x == w })
			connect()
		case k < 5:
			id := fmt.Sprint("i", r.IntN(4))
			done := make(chan bool, 1)
			l.apply(&Join{Client: w.c, Room: "r", ID: id, Grant: of(id), Takeover: r.IntN(2) == 0, Welcome: textFrame(`{"type":"joined"}`), Done: done})
			<-done
		case k < 7:
			l.apply(Leave{w.c})
		case k < 12:
			l.apply(forwardIn(w.c, "r", idOf(w.c), `{"type":"message","data":1}`))
		case k < 15:
			l.apply(forwardIn(w.c, "r", idOf(w.c), fmt.Sprintf(`{"type":"message","to":"i%d","data":1}`, r.IntN(4))))
		case k < 16:
			l.apply(&Rename{Client: w.c, Name: fmt.Sprint(r.IntN(100))})
		case k < 20:
			readSome(w, r.IntN(4))
		case k < 21:
			w.box.Urgent(pingFrame(), w.c.sender)
		case k < 22:
			if w.caught {
				w.caught = false
				l.apply(CaughtUp{w.c})
			}
		default:
			l.finish()
			l.now = l.now.Add(time.Duration(r.IntN(30)) * time.Millisecond)
		}
	}
	l.finish()
	for range 3 {
		for _, w := range ws {
			readSome(w, 10000)
			if w.caught {
				w.caught = false
				l.apply(CaughtUp{w.c})
			}
		}
		for _, room := range l.roomList {
			l.apply(release{room})
		}
		l.now = l.now.Add(5 * time.Second)
		l.finish()
	}
	for _, w := range ws {
		readSome(w, 10000)
		if m := w.c.member; m != nil && !w.c.closed {
			if m.told != m.room.version || len(w.known) != len(m.room.members) {
				t.Errorf("%s knows %v, told %d of %d", m.id, w.known, m.told, m.room.version)
			}
		}
	}
	for _, w := range ws {
		l.apply(Unregister{w.c, event.ReasonLost})
		w.box.Discard()
	}
	l.finish()
	if n := l.hub.Stats.OutboxBytes.Load(); n != 0 {
		t.Errorf("%d bytes left", n)
	}
	if n := l.hub.Stats.Members.Load(); n != 0 || len(l.rooms) != 0 {
		t.Errorf("%d members left", n)
	}
}

func idOf(c *Client) string {
	if c.member != nil {
		return c.member.id
	}
	return "x"
}

func textFrame(s string) *frame.Frame { return frame.Text([]byte(s)) }
func pingFrame() *frame.Frame         { return frame.Ping([]byte("12345678")) }
