package wsconn

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

func TestWhatBecomesOfEachMessageIsTold(t *testing.T) {
	s, _ := newTalks(t, words{}, func(o *Options, _ *hub.Options) { o.QueueBytes = 32 << 20 })
	a := s.dial()
	a.enter("r", "a")
	const n = 2000
	a.send("call r %d", n)
	for range n {
		a.want("failed target_not_found")
	}
	a.send("mark r end")
	a.want("marked end")
}

func TestWithoutTheRightToSendAMessageFailsAndIsCounted(t *testing.T) {
	s, _ := newTalks(t, words{}, func(o *Options, _ *hub.Options) { o.Gate = allow(&Admission{Grant: &hub.Grant{}}) })
	a := s.dial()
	a.enter("r", "a")
	a.send("say r x")
	a.want("failed forbidden")
	if n := s.hub.Stats().Refusals[wire.CodeForbidden].Load(); n != 1 {
		t.Errorf("%d refusals are counted", n)
	}
}

func TestACongestedMessageIsTriedAgain(t *testing.T) {
	s, _ := newTalks(t, words{}, func(_ *Options, o *hub.Options) { o.RateFanOut, o.BurstFanOut = 16<<10, 16<<10 })
	a, b, c := s.dial(), s.dial(), s.dial()
	for id, one := range map[string]*client{"a": a, "b": b, "c": c} {
		one.enter("r", id)
	}
	text := strings.Repeat("x", 5<<10)
	const n = 6 // of which the allowance is enough for one or two at once
	for range n {
		a.send("insist r %s", text)
	}
	for _, one := range []*client{a, b, c} {
		for range n {
			one.want(`heard r a "` + text + `"`)
		}
	}
	if s.hub.Stats().Refusals[wire.CodeCongested].Load() == 0 {
		t.Error("nothing was congested: the test shows nothing")
	}
}

// The answers that a client waits for come behind what it does not read. So the server can't know what
// has become of its messages: it keeps no more of them than its bound.
func TestAClientThatSendsAndDoesNotReadIsNotReadEither(t *testing.T) {
	s, _ := newTalks(t, words{}, func(o *Options, _ *hub.Options) {
		o.QueueBytes, o.Rate, o.RateBytes, o.PingTimeout = 64<<20, -1, -1, 200*time.Millisecond
	})
	deaf, loud := s.dialNarrow(), s.dial()
	deaf.enter("r", "deaf")
	deaf.enter("own", "deaf")
	loud.enter("r", "loud")
	text := strings.Repeat("x", 32<<10)
	const fill = 150 // more than the sockets take
	for range fill {
		loud.send("say r %s", text)
	}
	loud.send("mark r end")
	loud.want("marked end")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() {
		for deaf.conn.Write(ctx, websocket.MessageText, []byte("say own "+text)) == nil {
		}
	}()
	for !gone(t, s.hub, "own", "deaf") {
		if ctx.Err() != nil {
			t.Fatal("the connection goes on")
		}
		time.Sleep(20 * time.Millisecond)
	}
	passedOn := s.hub.Stats().Messages[wire.TypeMessage].Load() - fill
	if most := uint64(2 * passingBytes / len(text)); passedOn > most {
		t.Errorf("%d messages of the client were passed on, of at most %d", passedOn, most)
	}
}

// dialNarrow is dial for a client whose socket takes little that the client does not read.
func (s *server) dialNarrow() *client {
	s.t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			err = c.(*net.TCPConn).SetReadBuffer(4 << 10)
		}
		return c, err
	}}
	narrow := *s
	narrow.secure = &http.Client{Transport: transport}
	return narrow.dial()
}

// A client's publications come back to it, too, by the queue that holds what it does not read.
func TestAClientThatReadsLateIsHeldBackAndNotClosed(t *testing.T) {
	w := words{made: make(chan *Conn, 1)}
	s, _ := newTalks(t, w, func(o *Options, h *hub.Options) {
		o.QueueBytes, o.Rate, o.RateBytes = 128<<10, -1, -1
		h.RateFanOut, h.BurstFanOut = 1<<30, 1<<30
	})
	a := s.dial()
	c := <-w.made
	a.enter("r", "a")
	text := strings.Repeat("x", 16<<10)
	const n = 500 // more than the sockets take
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() {
		for range n {
			if a.conn.Write(ctx, websocket.MessageText, []byte("insist r "+text)) != nil {
				return
			}
		}
	}()
	for c.passing.wait() == nil && c.c.client.CloseCode() == 0 {
		if ctx.Err() != nil {
			t.Fatal("it is not held back")
		}
		time.Sleep(time.Millisecond)
	}
	for range n {
		a.want(`heard r a "` + text + `"`)
	}
}
