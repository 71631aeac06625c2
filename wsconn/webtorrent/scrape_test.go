package webtorrent

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/wsconn"
	"github.com/parley-rtc/parley/wsconn/internal/dialecttest"
)

func TestTheGateDecidesWhoKnowsSwarms(t *testing.T) {
	s, _ := serve(t, Options{}, func(o *wsconn.Options) { o.Gate = doors{} })
	in, out := s.Dial("/?token=key"), s.Dial("")
	say(in, swarm, ann, "")
	told(in, swarm, 0, 1)
	out.Send(`{"action":"scrape","info_hash":` + swarm + `}`)
	out.WantJSON(`{"action":"scrape","failure reason":"no","info_hash":` + swarm + `}`)
	say(out, swarm, bob, `,"event":"stopped"`)
	out.WantJSON(`{"action":"announce","failure reason":"no","info_hash":` + swarm + `}`)
	in.Send(`{"action":"scrape","info_hash":` + other + `}`)
	in.WantJSON(`{"action":"scrape","files":{` + other + `:{"complete":0,"incomplete":0,"downloaded":0}},"flags":{"min_request_interval":600}}`)
}

// A scrape of many swarms takes no more from the server than so many joins.
func TestSwarmsOfAScrapeCountAsJoins(t *testing.T) {
	s, _ := serve(t, Options{}, func(o *wsconn.Options) { o.PerAddress.Rate, o.RateChanges = 1, -1 })
	c := s.Dial("")
	const most = 20 // twice the burst of joins of an address
	c.Send(`{"action":"scrape","info_hash":[` + strings.Repeat(swarm+",", most) + swarm + `]}`)
	if text := c.Read(); !strings.Contains(text, `"failure reason":"too many joins from your address`) {
		t.Error(text)
	}
}

// slow are swarms that take a while to be counted.
type slow struct {
	rooms func(ctx context.Context) error
	count func(ctx context.Context) error
}

func (s slow) Count(ctx context.Context, _ string, _ json.RawMessage) (int, int, error) {
	return 0, 0, s.count(ctx)
}

func (s slow) Rooms(ctx context.Context) ([]hub.RoomInfo, error) { return nil, s.rooms(ctx) }

func (slow) Room(context.Context, string) (*hub.RoomDetail, error) { return nil, nil }

// However many swarms a scrape asks for, the client waits for other nodes once, and is not taken
// for lost meanwhile.
func TestAScrapeWaitsForOtherNodesOnce(t *testing.T) {
	var until []time.Time
	d := New(slow{count: func(ctx context.Context) error {
		end, _ := ctx.Deadline()
		if until = append(until, end); len(until) == 3 {
			<-ctx.Done()
		}
		return ctx.Err()
	}}, Options{})
	s := dialecttest.Serve(t, d, func(o *wsconn.Options, _ *hub.Options) {
		o.PingInterval, o.PingTimeout = 100*time.Millisecond, countTime/2
	})
	c := s.Dial("")
	c.Send(`{"action":"scrape","info_hash":[` + swarm + `,` + other + `,` + cat + `,` + ann + `]}`)
	c.WantJSON(`{"action":"scrape","failure reason":"the swarm is not known at the moment: try again","info_hash":` + swarm + `}`)
	if len(until) != 3 || until[0] != until[2] {
		t.Errorf("waited until %v", until)
	}
}

// A client that asks for figures and does not wait for them makes the count of others neither end nor begin anew.
func TestFiguresAreCountedOnceHoweverManyAsk(t *testing.T) {
	var mu sync.Mutex
	begun, done, counts := make(chan struct{}, 10), make(chan struct{}), 0
	d := New(slow{rooms: func(ctx context.Context) error {
		mu.Lock()
		counts++
		mu.Unlock()
		begun <- struct{}{}
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := d.Stats(ctx)
		first <- err
	}()
	<-begun
	cancel()
	if err := <-first; err == nil {
		t.Error("who no longer waits gets an answer")
	}
	second := make(chan error)
	go func() {
		_, err := d.Stats(t.Context())
		second <- err
	}()
	close(done)
	if err := <-second; err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if counts != 1 {
		t.Errorf("counted %d times", counts)
	}
}

// Counting that fails costs as much as counting that does not.
func TestFiguresThatCannotBeCountedAreNotCountedForEachWhoAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counts := 0
		d := New(slow{rooms: func(context.Context) error {
			counts++
			return errors.New("cut off")
		}}, Options{})
		for range 3 {
			if _, err := d.Stats(t.Context()); err == nil {
				t.Error("there are figures")
			}
		}
		if counts != 1 {
			t.Errorf("counted %d times", counts)
		}
		time.Sleep(statsAge)
		if _, err := d.Stats(t.Context()); err == nil || counts != 2 {
			t.Errorf("counted %d times after a while", counts)
		}
	})
}
