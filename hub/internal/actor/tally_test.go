package actor

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parley-rtc/parley/hub/event"
)

// clientsOf connects n clients of one connection, of this server or of another.
func (l *loop) clientsOf(node string, n int) (all []*Client, outs []*Outbox) {
	budget := NewBudget(1 << 30)
	for range n {
		o := new(Outbox)
		o.Init(new(sink), l.hub.Stats, 1<<30)
		c := NewClientOf(node, 1, netip.Addr{}, o)
		if node == "" {
			o.SetBudget(budget)
			c.ShareBudget(budget)
		}
		l.apply(Register{c})
		all, outs = append(all, c), append(outs, o)
	}
	return all, outs
}

// In however many rooms a connection is, its limits are those of one.
func TestAConnectionHasItsLimitsOnce(t *testing.T) {
	for _, node := range []string{"", "another"} {
		t.Run(node, func(t *testing.T) {
			const rooms, members = 5, 11
			copies := pong("").Cost() * (members - 1)
			l := still(Options{FanOut: 1, FanOutBurst: 2 * copies})
			lines, logged := observer.New(zap.InfoLevel)
			l.log = zap.New(lines)
			all, outs := l.clientsOf(node, rooms)
			congested := 0
			for i, c := range all {
				room := fmt.Sprint(i)
				l.join(c, room, "a", "")
				for j := range members {
					other, _ := l.connect(1 << 30)
					l.join(other, room, fmt.Sprint(j), "")
				}
				l.finish()
				read(outs[i])
				l.apply(forwardIn(c, room, "a", `{"type":"message","data":1}`))
				l.finish()
				congested += strings.Count(strings.Join(read(outs[i]), "\n"), `"congested"`)
			}
			if congested != rooms-2 {
				t.Errorf("%d of %d messages are too many, want %d", congested, rooms, rooms-2)
			}
			if n := logged.FilterMessage(event.Refused).Len(); n != 1 {
				t.Errorf("%d of its refusals are logged at once", n)
			}
			for _, c := range all {
				l.apply(Unregister{c, ""})
			}
			if len(l.tallies) != 0 {
				t.Errorf("%d connections are remembered", len(l.tallies))
			}
		})
	}
}
