package actor

import (
	"fmt"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/stats"
	"github.com/parley-rtc/parley/hub/wire"
)

// still makes a loop that nobody runs: a test applies commands and ends batches.
func still(o Options) *loop {
	h := &Hub{Stats: new(stats.Hub), drained: make(chan struct{}), closing: make(chan struct{})}
	close(h.closing)
	o.Logger = zap.NewNop()
	l := newLoop(h, o)
	l.now = time.Now()
	return l
}

func (l *loop) connect(limit int) (*Client, *Outbox) {
	o := new(Outbox)
	o.Init(new(sink), l.hub.Stats, limit)
	c := NewClient(1, netip.Addr{}, o)
	l.apply(Register{c})
	return c, o
}

func (l *loop) join(c *Client, room, id, session string) bool {
	done := make(chan bool, 1)
	l.apply(&Join{
		Client: c, Room: room, ID: id, Session: session, Done: done,
		Welcome: frame.Text((&wire.Joined{Room: room, From: id, Session: session}).Text()),
	})
	return <-done
}

func forwardIn(c *Client, room, from, text string) Command {
	var e wire.Envelope
	if r := e.Parse([]byte(text)); r != nil {
		panic(r)
	}
	s := wire.NewSuffixes(room, from)
	return NewForward(c, &e, frame.Forward(&e, &s))
}

// read takes everything that waits and returns the texts.
func read(o *Outbox) (texts []string) {
	for {
		frames, skip := o.Take(nil, 1)
		if len(frames) == 0 {
			return texts
		}
		texts = append(texts, string(frames[0].Payload()))
		o.Wrote(frames[0].Size()-skip, time.Now())
	}
}

func longID(i int) string { return fmt.Sprintf("%064d", i) }
