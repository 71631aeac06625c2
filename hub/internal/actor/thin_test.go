package actor

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
)

// At a drain with a deadline the members of a large server are closed one room after the
// other, over half of the time at most; without one, or on a small server, at once.
func TestDrainIsSpread(t *testing.T) {
	for _, c := range []struct {
		name       string
		members    int
		wait, over time.Duration
	}{
		{"half of the time", 2000, 2 * time.Second, time.Second},
		{"as fast as they may come back", 1000, 10 * time.Second, time.Second},
		{"few", 4, 10 * time.Second, 0},
		{"no deadline", 1000, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub(t, Options{})
				all := make([]*peer, c.members)
				for i := range all {
					all[i] = newPeer(t, h, quietLimit)
					all[i].join(fmt.Sprint("r", i%(c.members/4)), fmt.Sprint(i))
				}
				synctest.Wait()
				begun := time.Now()
				ctx, cancel := context.WithCancel(t.Context())
				if c.wait > 0 {
					ctx, cancel = context.WithTimeout(t.Context(), c.wait)
				}
				defer cancel()
				go func() {
					if err := h.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
						t.Errorf("Drain: %v", err)
					}
				}()
				time.Sleep(max(c.wait, time.Second))
				synctest.Wait()
				checkSpread(t, all, begun, c.over)
			})
		})
	}
}

// checkSpread holds the times at which peers were closed against how they should be
// spread.
func checkSpread(t *testing.T, all []*peer, begun time.Time, over time.Duration) {
	t.Helper()
	rooms := make(map[int]time.Time)
	at := make(map[time.Duration]int)
	for i, p := range all {
		p.mu.Lock()
		closed, ended := p.closed, p.ended
		p.mu.Unlock()
		if closed != wire.CloseGoingAway {
			t.Fatalf("%d is closed with %d", i, closed)
		}
		after := ended.Sub(begun)
		at[after]++
		room := i % (len(all) / 4)
		if first, ok := rooms[room]; ok && !first.Equal(ended) {
			t.Fatalf("the members of room %d are closed at different times", room)
		}
		rooms[room] = ended
		if after > over {
			t.Fatalf("%d is closed after %s", i, after)
		}
	}
	if over == 0 {
		return
	}
	most := len(all)*int(thinStep)/int(over) + 4
	for after, n := range at {
		if n > most {
			t.Errorf("%d are closed at once, after %s", n, after)
		}
	}
}

// A room of quiet members may have all clients of a server.
func TestOfARoomOfQuietMembersNotAllAreClosedAtOnce(t *testing.T) {
	for room, want := range map[string]int{"quiet": 3, "mixed": 10} {
		l := still(Options{})
		var all []*Client
		for i := range 10 {
			c, _ := l.connect(1 << 20)
			l.apply(&Join{Client: c, Room: room, ID: fmt.Sprint(i), Quiet: room == "quiet" || i > 0, Welcome: pong("")})
			all = append(all, c)
		}
		l.apply(closeSome{3})
		closed := 0
		for _, c := range all {
			if c.closed {
				closed++
			}
		}
		if closed != want {
			t.Errorf("%s: %d are closed, want %d", room, closed, want)
		}
	}
}
