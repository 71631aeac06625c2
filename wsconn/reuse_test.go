package wsconn

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn/internal/sized"
)

// shouts is a dialect that keeps nothing of what it passes on: "join ROOM ID", "all TEXT", "to ID
// TEXT" and "leave". A client is in
// one room.
type shouts struct{ words }

func (shouts) Speaker(c *Conn, _ *http.Request) Speaker { return &shouter{c: c} }

type shouter struct {
	speaker
	c *Conn
	m *Membership
}

func (s *shouter) Message(text []byte) (err error) {
	f := strings.SplitN(string(text), " ", 3)
	o := NewOutgoing(wire.TypeMessage, len(text))
	switch f[0] {
	case "join":
		s.m, err = s.c.Join(Entry{Room: f[1], ID: f[2], Data: "r", Quiet: true})
		return err
	case "leave":
		s.m.Leave()
		return s.c.Send([]byte("left"))
	case "all":
		o.Body = wire.AppendQuoted(o.Body, strings.TrimPrefix(string(text), "all "))
		o.Audience, o.Patience = ToAll, patience
	case "to":
		o.To, o.Body = append(o.To, f[1]...), wire.AppendQuoted(o.Body, f[2])
	}
	return s.m.Pass(o)
}

// saying is a text that shows when another has been written over a part of it.
func saying(from string, n int) string {
	mark := from + ":" + strconv.Itoa(n) + "|"
	size := n * n * 7 % 5000
	if n%16 == 0 {
		size = sized.Largest
	}
	return mark + strings.Repeat(mark, size/len(mark))
}

// heard returns who has said what a client has heard, and its number, or an error if it is not whole.
func heard(text string) (from string, n int, err error) {
	f := strings.SplitN(text, " ", 4)
	if len(f) < 4 || f[0] != "heard" {
		return "", 0, fmt.Errorf("%.100s", text)
	}
	mark, _, _ := strings.Cut(f[3], "|")
	_, number, _ := strings.Cut(mark, ":")
	if n, err = strconv.Atoi(number); err == nil && f[3] != `"`+saying(f[2], n)+`"` {
		err = fmt.Errorf("from %s: %.100s", f[2], f[3])
	}
	return f[2], n, err
}

const (
	stayers = 3
	sayings = 48 // of each kind; a multiple of stayers
)

// stays has a client say all that it has to say, and hear each of the others once.
func stays(c *client, me string) error {
	failed := make(chan error, 1)
	go func() {
		for n := range sayings {
			c.send("all %s", saying(me, n))
			c.send("to nobody %s", saying(me, n))
			c.send("to s%d %s", n%stayers, saying(me, sayings+n))
		}
		failed <- nil
	}()
	said := map[string]int{}
	for left := stayers*sayings + sayings; left > 0; {
		_, text, err := c.conn.Read(c.ctx)
		if err != nil {
			return err
		}
		from, n, err := heard(string(text))
		if err != nil {
			return err
		}
		key := fmt.Sprint(from, " ", n)
		if said[key]++; said[key] > 1 {
			return fmt.Errorf("%s has come twice", key)
		}
		if from[0] == 's' {
			left--
		}
	}
	return <-failed
}

// goes has a client speak, and end while that is on its way.
func goes(c *client, me string, how int) {
	send := func(text string) { _ = c.conn.Write(c.ctx, websocket.MessageText, []byte(text)) }
	for n := range 10 {
		send("all " + saying(me, n))
		send("to nobody " + saying(me, n))
		send(fmt.Sprintf("to s%d %s", n%stayers, saying(me, sayings+n)))
	}
	switch how % 3 {
	case 0:
		send("leave")
	case 1:
		_ = c.conn.Close(websocket.StatusNormalClosure, "")
	}
	_ = c.conn.CloseNow()
}

// However many speak, are refused, are tried again, and end with messages on their way: what arrives
// is whole, comes once, and is what its member has said. The race detector sees what the texts do
// not show.
func TestNoMessageIsWrittenOverAnother(t *testing.T) {
	s := newServer(t, func(o *Options, ho *hub.Options) {
		o.Rate, o.RateBytes, o.RateChanges, o.QueueBytes = -1, -1, -1, 16<<20
		ho.RateFanOut, ho.BurstFanOut = 128<<10, 96<<10
	})
	web := httptest.NewServer(s.handler.Speaking(shouts{}))
	t.Cleanup(web.Close)
	s.url = web.URL
	var all [stayers]*client
	for i := range all {
		all[i] = s.dial()
		all[i].enter("r", fmt.Sprint("s", i))
	}
	var done, gone sync.WaitGroup
	for i, c := range all {
		done.Go(func() {
			if err := stays(c, fmt.Sprint("s", i)); err != nil {
				t.Error(err)
			}
		})
	}
	for i := range 3 {
		gone.Go(func() {
			for n := range 8 {
				c, id := s.dial(), fmt.Sprintf("c%d-%d", i, n)
				c.enter("r", id)
				goes(c, id, n)
			}
		})
	}
	done.Wait()
	gone.Wait()
}
