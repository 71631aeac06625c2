//go:build !race

package cluster

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
)

// A node with a time to leave in closes its connections over a while, not at one instant, and
// the members of a room together, wherever the room is; quiet ones, who do not see each other,
// one by one. All its sessions go on elsewhere. Without a time to leave in it closes all at once.
func TestDrainIsSpread(t *testing.T) {
	const rooms, inRoom, alone = 60, 4, 60
	const all = rooms*inRoom + alone
	for _, test := range []struct {
		name     string
		deadline time.Duration // 0: none
		quiet    bool
		over     time.Duration
	}{
		{"a second for a thousand", time.Minute, false, all * time.Millisecond},
		{"half of the time", 300 * time.Millisecond, false, 150 * time.Millisecond},
		{"quiet members", time.Minute, true, all * time.Millisecond},
		{"no time", 0, false, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
				n := v.nodes["a"]
				byRoom := map[string][]*client{}
				var clients []*client
				for i := range all {
					c := connect(t, n)
					c.quiet = test.quiet
					clients = append(clients, c)
					if i >= rooms*inRoom {
						continue // in no room
					}
					room := fmt.Sprint("room ", i%rooms)
					if test.quiet {
						room = "crowd"
					}
					if !c.join(room, fmt.Sprint("m", i), nil, true) {
						t.Fatal("not let in")
					}
					byRoom[room] = append(byRoom[room], c)
				}
				time.Sleep(time.Second)
				ctx := t.Context()
				if test.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.deadline)
					defer cancel()
				}
				begun := time.Now()
				drained := make(chan error, 1)
				go func() { drained <- n.Drain(ctx) }()
				time.Sleep(time.Millisecond) // looks are between the steps
				closed, most, last := 0, 0, time.Duration(0)
				for closed < all && time.Since(begun) < time.Minute {
					now := 0
					for _, c := range clients {
						if c.wasClosed() {
							now++
						}
					}
					if now > closed {
						most, closed, last = max(most, now-closed), now, time.Since(begun)
					}
					for room, members := range byRoom {
						gone := 0
						for _, c := range members {
							if c.wasClosed() {
								gone++
							}
						}
						if !test.quiet && gone > 0 && gone < len(members) {
							t.Fatalf("of %s %d members are closed", room, gone)
						}
					}
					time.Sleep(5 * time.Millisecond)
				}
				if test.over == 0 && (most < all || last > 10*time.Millisecond) {
					t.Errorf("%d are closed at once, the last after %s", most, last)
				}
				steps := max(int(test.over/(20*time.Millisecond)), 1)
				if step := (all + steps - 1) / steps; test.over > 0 && (most > step+inRoom+1 || last < test.over/2 || last > test.over+30*time.Millisecond) {
					t.Errorf("%d of %d are closed at one time, the last after %s", most, all, last)
				}
				for _, c := range clients {
					c.isClosed(wire.CloseGoingAway)
					c.end()
				}
				if err := <-drained; err != nil {
					t.Error(err)
				}
				n.Close()
				delete(v.nodes, "a")
				for _, members := range byRoom {
					lost := members[0]
					again := connect(t, v.nodes["b"])
					if !again.resume(lost, lost.all[0].Session) {
						t.Error("a session is lost")
					}
					again.end()
				}
				time.Sleep(window + time.Second)
			})
		})
	}
}
