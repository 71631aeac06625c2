package logsink

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func dropped(n uint64) []byte { return fmt.Appendf(nil, "dropped %d\n", n) }

// stuck is a writer that waits until it is let go.
type stuck struct {
	sync.Mutex

	text strings.Builder
}

func (s *stuck) Write(p []byte) (int, error) {
	s.Lock()
	defer s.Unlock()
	return s.text.Write(p)
}

func TestLinesComeInOrder(t *testing.T) {
	var w stuck
	s := New(&w, dropped)
	var want strings.Builder
	for i := range 1000 {
		line := fmt.Sprintf("line %d\n", i)
		want.WriteString(line)
		if n, err := io.WriteString(s, line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	s.Close(time.Minute)
	if w.text.String() != want.String() {
		t.Errorf("got %q", w.text.String())
	}
}

// A writer that stalls holds nobody up: lines are dropped and counted, and the
// count is told when it goes on.
func TestStalledWriter(t *testing.T) {
	var w stuck
	w.Lock()
	s := New(&w, dropped)
	line := strings.Repeat("x", 1023) + "\n"
	n := 0
	for s.Dropped() < 100 {
		_, _ = io.WriteString(s, line)
		n++
	}
	w.Unlock()
	s.Close(time.Minute)
	text := w.text.String()
	lines := strings.Count(text, line)
	if !strings.Contains(text, "dropped 100\n") || lines+100 != n {
		t.Errorf("of %d lines %d came, and: %q", n, lines, text[max(0, len(text)-100):])
	}
	if _, err := io.WriteString(s, line); err != nil || s.Dropped() != 101 {
		t.Errorf("after Close: %v, %d dropped", err, s.Dropped())
	}
}

// Close does not wait for a writer that is stuck for longer than it was told.
func TestCloseGivesUp(t *testing.T) {
	var w stuck
	w.Lock()
	s := New(&w, dropped)
	_, _ = io.WriteString(s, "x\n")
	s.Close(time.Millisecond)
	w.Unlock()
	<-s.done
}
