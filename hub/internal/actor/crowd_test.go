package actor

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// told is what a member has been told of its room, as far as it has read.
type told struct {
	members int // by its own count
	count   int // by the last changes
	list    bool
}

// readings reads frames that many have got once.
type readings struct {
	known map[*byte]message
}

func (r *readings) of(t *testing.T, payload []byte) message {
	t.Helper()
	m, ok := r.known[&payload[0]]
	if !ok {
		if err := json.Unmarshal(payload, &m); err != nil {
			t.Fatalf("%.100s: %v", payload, err)
		}
		r.known[&payload[0]] = m
	}
	return m
}

// Ten thousand members are in one room with the default queue, although the list is much
// longer than that, and all learn of all. Some take changes, the others lists; they come, say
// something to the room and each other, and half of them go.
func TestTenThousandInARoom(t *testing.T) {
	const n, queue = 10_000, 1 << 20
	l := still(Options{})
	l.slice = 1000
	clients, boxes := make([]*Client, n), make([]*Outbox, n)
	views, messages := make([]told, n), 0
	readAll := func() {
		r := readings{map[*byte]message{}}
		for i, box := range boxes {
			for box != nil {
				frames, skip := box.Take(nil, 1)
				if len(frames) == 0 {
					break
				}
				if f := frames[0]; f.IsMessage() {
					v := &views[i]
					switch m := r.of(t, f.Payload()); m.Type {
					case "room_members":
						v.members, v.count, v.list = len(m.Members), len(m.Members), true
					case "room_changes":
						if i%5 == 0 || !v.list {
							t.Fatalf("member %d got changes", i)
						}
						v.members += len(m.Joined) - len(m.Left)
						v.count = m.Count
					case "message":
						messages++
					}
				}
				if _, caughtUp := box.Wrote(frames[0].Size()-skip, time.Now()); caughtUp {
					l.apply(CaughtUp{clients[i]})
				}
			}
		}
	}
	for i := range n {
		clients[i], boxes[i] = l.connect(queue)
		id := fmt.Sprintf("%064d", i)
		l.joinWith(clients[i], &Join{ID: id, Name: strings.Repeat("n", 64), Changes: i%5 > 0})
		if i%1000 == 999 {
			readAll()
			l.apply(forwardIn(clients[i], "r", id, `{"type":"message","to":"`+fmt.Sprintf("%064d", i-999)+`","data":1}`))
			l.finish()
		}
	}
	if size := l.rooms["r"].roomState().Size(); size < 3*queue/2 {
		t.Fatalf("the list has only %d bytes", size)
	}
	settle := func(want int) {
		t.Helper()
		for range 3 {
			l.now = l.now.Add(time.Minute)
			l.apply(release{l.rooms["r"]})
			for l.finish(); len(l.rounds) > 0; l.finish() {
			}
			readAll()
		}
		for i, v := range views {
			if c := clients[i]; c.closed {
				t.Fatalf("member %d was closed with %d", i, boxes[i].CloseCode())
			} else if c.member != nil && (v.members != want || v.count != want) {
				t.Fatalf("member %d knows of %d members, and was told that there are %d", i, v.members, v.count)
			}
		}
	}
	if settle(n); messages != n/1000 {
		t.Errorf("%d of %d messages came", messages, n/1000)
	}
	for i := range n / 2 {
		l.apply(Leave{clients[2*i]})
	}
	settle(n / 2)
	if slices.ContainsFunc(boxes, func(box *Outbox) bool { return box.Backlog() > 0 }) {
		t.Error("something waits in the end")
	}
}
