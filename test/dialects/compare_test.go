package dialects

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// step is a message that one of the connections of a script sends.
type step struct {
	from int
	text string
	// ours is what connections hear of parleyd where it differs from the other server, and why.
	ours map[int][]string
	why  string
}

// heard is what each connection has heard after a step, as JSON in one form, sorted.
type heard [][]string

// side is one of the two servers that a script is played to.
type side struct {
	t     *testing.T
	conns []*websocket.Conn
	// mark returns a message that is answered at once, and whether a message is that answer.
	mark func() (text string, is func(message string) bool)
}

// open opens connections to a server.
func open(t *testing.T, url string, n int, mark func() (string, func(string) bool)) *side {
	t.Helper()
	s := &side{t: t, mark: mark}
	for range n {
		ctx, cancel := context.WithTimeout(t.Context(), parleyd.Patience)
		defer cancel()
		c, answer, err := websocket.Dial(ctx, url, nil)
		for err != nil && ctx.Err() == nil && answer != nil && answer.StatusCode == http.StatusServiceUnavailable {
			// A node of a cluster is not ready for a moment.
			time.Sleep(100 * time.Millisecond)
			c, answer, err = websocket.Dial(ctx, url, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		c.SetReadLimit(-1)
		t.Cleanup(func() { _ = c.CloseNow() })
		s.conns = append(s.conns, c)
	}
	return s
}

// play sends a step's message, and returns what comes of it. Servers handle messages of one
// connection in order: when a mark behind it is answered, it is handled. A second mark waits for
// what was being written.
func (s *side) play(st step) heard {
	s.t.Helper()
	s.write(st.from, st.text)
	h := make(heard, len(s.conns))
	s.settle(st.from, &h[st.from])
	for range 2 {
		for i := range s.conns {
			s.settle(i, &h[i])
		}
	}
	for i := range h {
		slices.Sort(h[i])
	}
	return h
}

func (s *side) write(i int, text string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), parleyd.Patience)
	defer cancel()
	if err := s.conns[i].Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		s.t.Fatalf("%s: %v", text, err)
	}
}

// settle reads up to the answer to a mark.
func (s *side) settle(i int, into *[]string) {
	s.t.Helper()
	text, is := s.mark()
	s.write(i, text)
	ctx, cancel := context.WithTimeout(s.t.Context(), parleyd.Patience)
	defer cancel()
	for {
		_, got, err := s.conns[i].Read(ctx)
		if err != nil {
			s.t.Fatal(err)
		}
		if is(string(got)) {
			return
		}
		*into = append(*into, canonical(s.t, string(got)))
	}
}

// canonical returns JSON in one form.
func canonical(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	b, _ := json.Marshal(v) // it was JSON
	return string(b)
}

// compare plays a script to both servers, which must answer alike but where the script says
// otherwise.
func compare(t *testing.T, original, ours *side, script []step) {
	t.Helper()
	spoke := 0
	for n, st := range script {
		want, got := original.play(st), ours.play(st)
		for i := range want {
			spoke += len(want[i])
		}
		if st.why == "" {
			if !reflect.DeepEqual(got, want) {
				t.Errorf("step %d, %s:\nthe other server says %s\nparleyd says          %s", n, st.text, tell(want), tell(got))
			}
			continue
		}
		if reflect.DeepEqual(got, want) {
			t.Errorf("step %d, %s: there is no difference any more: %s", n, st.text, tell(got))
		}
		listed := make(heard, len(got))
		for i, texts := range st.ours {
			for _, text := range texts {
				listed[i] = append(listed[i], canonical(t, text))
			}
			slices.Sort(listed[i])
		}
		if !reflect.DeepEqual(got, listed) {
			t.Errorf("step %d, %s:\nlisted is    %s\nparleyd says %s", n, st.text, tell(listed), tell(got))
		}
	}
	if spoke == 0 {
		t.Error("the other server has said nothing")
	}
}

func tell(h heard) string {
	var b strings.Builder
	for i, texts := range h {
		if i > 0 {
			b.WriteString(" | ")
		}
		b.WriteString(strings.Join(texts, " "))
	}
	return b.String()
}

// next reads the next message of a connection.
func (s *side) next(i int) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), parleyd.Patience)
	defer cancel()
	_, got, err := s.conns[i].Read(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	return canonical(s.t, string(got))
}

// dies waits for the end of a connection that has done nothing wrong: the server has died.
func (s *side) dies(i int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), parleyd.Patience)
	defer cancel()
	for {
		if _, _, err := s.conns[i].Read(ctx); err != nil {
			if ctx.Err() != nil {
				s.t.Error("the other server goes on")
			}
			return
		}
	}
}
