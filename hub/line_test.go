package hub

import (
	"strings"
	"sync"
	"testing"
	"time"
)

func newHub(t *testing.T, o Options) *Hub {
	t.Helper()
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// line is a connection whose client reads everything at once.
type line struct {
	Client

	mu      sync.Mutex // guards what follows
	texts   []string
	aborted bool
}

func connect(h *Hub) *line {
	l := new(line)
	l.Client = h.Connect(Connection{Number: 7, QueueBytes: 1 << 20, Writer: l})
	return l
}

func (l *line) Wake() {
	go func() {
		var g Gathering
		for more := true; more; {
			b := l.Gather(&g)
			if b == nil {
				return
			}
			l.mu.Lock()
			l.texts = append(l.texts, string(b))
			l.mu.Unlock()
			more = l.Wrote(len(b), time.Now())
		}
	}()
}

func (l *line) Closing() {}

func (l *line) Probe() {}

func (l *line) Challenge(time.Duration) {}

func (l *line) Abort() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.aborted = true
}

func (l *line) got() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.texts, "\n")
}

func (l *line) enter(t *testing.T, room, id string) {
	t.Helper()
	if err := l.Start(); err != nil {
		t.Fatal(err)
	}
	in, err := l.Join(Join{Room: room, ID: id, Welcome: []byte(`{}`)}, Request{Type: "join"})
	if !in || err != nil {
		t.Fatal(in, err)
	}
}
