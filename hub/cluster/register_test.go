//go:build !race

package cluster

import (
	"testing"
	"time"
)

// A node dies, and the register says nothing for some time, as when it chooses another leader.
// The others do not take the dead one for one that lives and that they do not reach, and
// nobody leaves for it; it comes back and is one of them.
func TestNodeDiesAndRegisterIsSilent(t *testing.T) {
	virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
		for range 3 {
			ann := connect(t, v.nodes["b"])
			ann.join(v.roomOf("a"), "ann", nil, true)
			v.net.set(func() { v.net.silent = true })
			v.nodes["a"].Close()
			ann.send("ann", "1") // so that something is on its way
			time.Sleep(stuckTime + yieldTime)
			v.start("a")
			time.Sleep(time.Second)
			v.net.set(func() { v.net.silent = false })
			v.await("all are ready", v.ready)
			time.Sleep(yieldTime)
			ann.end()
		}
		if yields := v.logged.FilterMessage(EventYield).Len(); yields > 0 {
			t.Errorf("%d nodes left for others", yields)
		}
	})
}

// With a register that takes more than a second for a write, nodes keep their leases, and one that
// dies is found out.
func TestSlowRegister(t *testing.T) {
	virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
		v.net.set(func() { v.net.putTime = 650 * time.Millisecond })
		for range 1000 {
			time.Sleep(10 * time.Millisecond)
			if !v.nodes["a"].available() || !v.nodes["b"].available() || !v.nodes["c"].available() {
				t.Fatal("a node has lost its lease")
			}
		}
		v.nodes["c"].Close()
		delete(v.nodes, "c")
		v.await("the others own all", v.ready)
	})
}

// A renewal that gets lost on its way does not cost a node its lease: there is time for the
// next one.
func TestLostRenewal(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		for range 10 {
			v.net.set(func() { v.net.swallowed["a"] = 1 })
			for range 300 {
				time.Sleep(10 * time.Millisecond)
				if !v.nodes["a"].available() {
					t.Fatal("the lease is lost")
				}
			}
		}
	})
}

// A register that refuses writes at once is not asked without end, and what it has refused
// is written once it takes it.
func TestRegisterThatRefuses(t *testing.T) {
	virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
		v.net.set(func() { v.net.refuses = true })
		v.nodes["c"].Close()
		delete(v.nodes, "c")
		time.Sleep(fenceTime + 2*time.Second)
		v.net.set(func() {
			v.net.refuses = false
			if least, most := 2, 2*maxClaims*20; v.net.refused < least || v.net.refused > most {
				t.Errorf("%d writes in about 2 s, not %d to %d", v.net.refused, least, most)
			}
		})
		v.await("the others own all", v.ready)
	})
}

// A hub that is busy for long does not cost its node the lease.
func TestBusyHub(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		ann := connect(t, v.nodes["a"])
		ann.join(v.roomOf("b"), "ann", nil, false)
		goesOn := v.stop("b")
		for range 600 {
			time.Sleep(10 * time.Millisecond)
			ann.send("", `"x"`)
			if !v.nodes["b"].available() {
				t.Fatal("the lease is lost")
			}
		}
		close(goesOn)
		ann.end()
		time.Sleep(time.Second)
	})
}

// A register that is made anew is filled again, and rooms go on.
func TestRegisterLost(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		v.net.wipe()
		time.Sleep(2 * fenceTime)
		v.await("all nodes are ready again", v.ready)
		if v.logged.FilterMessage(EventRegisterLost).Len() != 2 {
			t.Error("the log does not tell")
		}
		room := v.roomOf("a")
		ann, bob := connect(t, v.nodes["a"]), connect(t, v.nodes["b"])
		if !ann.join(room, "ann", nil, false) || !bob.join(room, "bob", nil, false) {
			t.Fatal("nobody is let in")
		}
		ann.sees("ann", "bob")
		ann.end()
		bob.end()
		time.Sleep(time.Second)
	})
}
