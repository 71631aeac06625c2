package actor

import (
	"net/netip"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parley-rtc/parley/hub/event"
)

// The end of a connection that the hub does not know, or not any more, ends nobody
// else's standing.
func TestUnregisterUnknown(t *testing.T) {
	l := still(Options{})
	var known []*Client
	for range 3 {
		c, _ := l.connect(1 << 20)
		known = append(known, c)
	}
	gone, box := l.connect(1 << 20)
	l.apply(Unregister{gone, event.ReasonLost})
	for _, c := range []*Client{gone, NewClient(9, netip.Addr{}, box)} {
		l.apply(Unregister{c, event.ReasonLost})
	}
	if n := l.hub.Stats.Clients.Load(); n != 3 || len(l.clients) != 3 {
		t.Errorf("%d clients are counted, %d are listed", n, len(l.clients))
	}
	for _, c := range known {
		if c.closed || l.clients[c.index] != c {
			t.Errorf("client at %d: closed %v", c.index, c.closed)
		}
	}
}

// Log lines of a client name the server that its connection is with, if there are
// several.
func TestLogNamesTheNode(t *testing.T) {
	for node, named := range map[string]bool{"": false, "n1": true} {
		core, logged := observer.New(zap.InfoLevel)
		l := still(Options{})
		l.log = zap.New(core)
		_, box := l.connect(1 << 20)
		c := NewClientOf(node, 1, netip.Addr{}, box)
		l.apply(Register{c})
		l.join(c, "r", "a", "")
		fields := logged.FilterMessage(event.Join).All()[0].ContextMap()
		if got, ok := fields[event.FieldNode]; ok != named || named && got != node {
			t.Errorf("node %q: the line has %v", node, fields)
		}
	}
}
