//go:build !race

package cluster

import (
	"errors"
	"sync"
	"testing"
	"time"
)

// A process that has the name of a node that lives refuses to go on, and disturbs nobody.
func TestNameOfALiveNode(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		second, err := New(Options{Name: "a", Backplane: v.net.join("a"), QueueBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		defer second.Close()
		select {
		case err := <-second.Failed():
			if !errors.Is(err, ErrNameTaken) {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the second process of a name goes on")
		}
		if second.available() || !v.nodes["a"].available() {
			t.Error("the second process has the lease")
		}
	})
}

// A node that is killed and comes back at once under its name waits until its lease has run
// out, and is in again.
func TestNameOfADeadNode(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		v.nodes["a"].Close()
		begun := time.Now()
		v.start("a")
		v.await("it is ready", v.ready)
		if waited := time.Since(begun); waited < leaseTime-renewTime || waited > 10*time.Second {
			t.Errorf("it was in again after %s", waited)
		}
	})
}

// catchingUp is a backplane whose register tells what an entry said before, at the pace at
// which it was written, and only then what it says.
type catchingUp struct {
	*port
	past []Entry
}

func (c *catchingUp) Start(receive func([]byte), changed func(Entry), renewed func()) error {
	var mu sync.Mutex
	var now []Entry
	late := true
	go func() {
		for _, e := range c.past {
			changed(e)
			time.Sleep(renewTime)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, e := range now {
			changed(e)
		}
		late = false
	}()
	return c.port.Start(receive, func(e Entry) {
		mu.Lock()
		defer mu.Unlock()
		if late && e.Key == c.past[0].Key {
			now = append(now, e)
		} else {
			changed(e)
		}
	}, renewed)
}

// A node comes back at once under its name, and its register catches up with what its entry
// said while it lived: it is no other process that lives.
func TestNameInARegisterThatCatchesUp(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		var past []Entry
		for range 20 {
			v.net.mu.Lock()
			for _, e := range v.net.all() {
				if e.Key == nodeKey("a") {
					past = append(past, e)
				}
			}
			v.net.mu.Unlock()
			time.Sleep(renewTime)
		}
		v.nodes["a"].Close()
		again, err := New(Options{Name: "a", Backplane: &catchingUp{v.net.join("a"), past}, QueueBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		v.nodes["a"] = again
		v.await("it is ready", func() bool {
			select {
			case err := <-again.Failed():
				t.Fatal(err)
			default:
			}
			return v.ready()
		})
	})
}
