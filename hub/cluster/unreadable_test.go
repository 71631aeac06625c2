//go:build !race

package cluster

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// A node sends what makes no sense: nobody dies of it, the log of the one that gets it tells,
// rooms of the others go on, and within a stated time one of the two begins anew, and all is
// well.
func TestUnreadableRecord(t *testing.T) {
	for _, test := range []struct{ from, to string }{{"a", "b"}, {"b", "a"}} {
		t.Run(test.from+" to "+test.to, func(t *testing.T) {
			virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
				room := v.roomOf("c")
				ann, bob := connect(t, v.nodes["c"]), connect(t, v.nodes["c"])
				if !ann.join(room, "ann", nil, false) || !bob.join(room, "bob", nil, false) {
					t.Fatal("not let in")
				}
				ann.sees("ann", "bob")
				from := v.nodes[test.from]
				from.call(from.post, func() {
					l := from.control.nodes[test.to].link
					l.write(func(w *writer) { w.b = append(w.b, recOwn, 0xff) })
					l.flush()
				})
				time.Sleep(time.Second)
				if lines := v.logged.FilterMessage(EventUnreadable).All(); len(lines) != 1 || lines[0].ContextMap()["node"] != test.from {
					t.Errorf("the log says %v", lines)
				}
				for i := range 30 {
					ann.send("bob", fmt.Sprint(i))
					time.Sleep(time.Second)
				}
				if got := bob.texts(); len(got) != len("0 1 2 3 4 5 6 7 8 9 ")+20*3 {
					t.Errorf("members of another node had %q", got)
				}
				v.await("all are ready", v.ready)
				if n := v.logged.FilterMessage(EventYield).Len(); n != 1 {
					t.Errorf("%d nodes have begun anew", n)
				}
				linked := false
				from.call(from.post, func() {
					l := from.control.nodes[test.to].link
					linked = l != nil && l.stuckFor(time.Now()) == 0
				})
				if !linked {
					t.Error("the two do not work together again")
				}
				ann.end()
				bob.end()
			})
		})
	}
}

// Somebody has written what makes no sense into the register: it is told in the log, written
// anew by whose it is, and no membership ends that can be resumed.
func TestUnreadableEntry(t *testing.T) {
	for _, what := range []string{"node", "partition"} {
		t.Run(what, func(t *testing.T) {
			virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
				room := v.roomOf("c")
				key := nodeKey("c")
				if what == "partition" {
					key = fmt.Sprint("part.", PartitionOf(room))
				}
				ann, bob := connect(t, v.nodes["a"]), connect(t, v.nodes["b"])
				if !ann.join(room, "ann", nil, true) || !bob.join(room, "bob", nil, true) {
					t.Fatal("not let in")
				}
				ann.sees("ann", "bob")
				v.net.overwrite(key, "?")
				time.Sleep(10 * time.Second)
				if v.logged.FilterMessage(EventUnreadable).Len() == 0 {
					t.Error("the log does not tell")
				}
				v.net.set(func() {
					if b := v.net.entries[key].Value; !json.Valid(b) {
						t.Errorf("the register has %q still", b)
					}
				})
				v.start("d") // which has not seen what was there before
				v.await("all are ready", v.ready)
				ann.send("bob", "1")
				bob.until("the message", func(m message) bool { return string(m.Data) == "1" })
				ann.end()
				bob.end()
				time.Sleep(window + time.Second)
			})
		})
	}
}

// Whoever runs the servers removes the entry of a node that is gone: nobody minds, and the
// node can come back.
func TestRemovedEntry(t *testing.T) {
	virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
		v.nodes["c"].Close()
		delete(v.nodes, "c")
		time.Sleep(forgetAfter + time.Minute)
		v.net.overwrite(nodeKey("c"), "")
		time.Sleep(10 * time.Second)
		if !v.ready() {
			t.Error("the others are not ready")
		}
		v.start("d")
		v.start("c")
		v.await("all are ready", v.ready)
		if v.roomOf("c") == "" {
			t.Error("the node that is back owns nothing")
		}
		for _, event := range []string{EventUnreadable, EventFenced, EventRegisterLost} {
			if n := v.logged.FilterMessage(event).Len(); n > 0 {
				t.Errorf("the log has %q %d times", event, n)
			}
		}
	})
}

// overwrite has somebody write into the register.
func (n *network) overwrite(key, value string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.revision++
	e := Entry{key, []byte(value), n.revision}
	n.entries[key] = e
	for _, ports := range n.nodes {
		for _, p := range ports {
			p.changeLater(e, 0)
		}
	}
}
