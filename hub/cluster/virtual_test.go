//go:build !race

package cluster

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/internal/actor"
)

// virtual runs a test in virtual time with nodes in a network without faults.
func virtual(t *testing.T, names []string, test func(t *testing.T, v *virtualCluster)) {
	t.Helper()
	inVirtualTime(t, names, 0, test)
}

// virtualFollowing is virtual with rooms that follow their members.
func virtualFollowing(t *testing.T, names []string, test func(t *testing.T, v *virtualCluster)) {
	t.Helper()
	inVirtualTime(t, names, 5*time.Second, test)
}

func inVirtualTime(t *testing.T, names []string, follow time.Duration, test func(t *testing.T, v *virtualCluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		core, logged := observer.New(zap.InfoLevel)
		v := &virtualCluster{
			t: t, net: newNetwork(rand.New(rand.NewPCG(1, 1))), nodes: map[string]*Node{}, logger: zap.New(core), logged: logged, follow: follow,
		}
		for _, name := range names {
			v.start(name)
		}
		v.await("all nodes are ready", v.ready)
		time.Sleep(5 * time.Second) // rooms are spread
		test(t, v)
		for _, n := range v.nodes {
			n.Close()
		}
		time.Sleep(time.Minute) // until the last timers have gone
	})
}

type virtualCluster struct {
	t      *testing.T
	net    *network
	nodes  map[string]*Node
	logger *zap.Logger
	logged *observer.ObservedLogs
	follow time.Duration
}

func (v *virtualCluster) start(name string) *Node {
	v.t.Helper()
	n, err := New(Options{
		Name: name, Backplane: v.net.join(name), QueueBytes: 1 << 20, Follow: v.follow, Logger: v.logger,
		Hub: hub.Options{ResumeWindow: window, KickBan: time.Minute, TrackCalls: true},
	})
	if err != nil {
		v.t.Fatal(err)
	}
	v.nodes[name] = n
	return n
}

// await waits in virtual time.
func (v *virtualCluster) await(what string, is func() bool) {
	v.t.Helper()
	for range 3000 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	v.t.Fatal("not within 30 s: " + what)
}

func (v *virtualCluster) ready() bool {
	for _, n := range v.nodes {
		if !n.Ready() {
			return false
		}
	}
	return true
}

// roomOf returns a room that a node owns.
func (v *virtualCluster) roomOf(name string) (room string) {
	v.t.Helper()
	n := v.nodes[name]
	v.await("the node owns a room", func() bool {
		n.call(n.post, func() {
			for i := range 1000 {
				if r := fmt.Sprint("room ", i); n.control.owner.parts[PartitionOf(r)].state == partReady {
					room = r
					return
				}
			}
		})
		return room != ""
	})
	return room
}

// stop has the hub of a node stand still until the channel is closed.
func (v *virtualCluster) stop(name string) (goesOn chan struct{}) {
	goesOn = make(chan struct{})
	stands := make(chan struct{})
	_ = v.nodes[name].present().Do(&actor.Batch{After: func(uint64) {
		close(stands)
		<-goesOn
	}})
	<-stands
	return goesOn
}

// texts returns the data of the messages that have come to a client.
func (c *client) texts() (all string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.all {
		if m.Type == "message" {
			all += string(m.Data) + " "
		}
	}
	return all
}

// errors returns the codes of the errors that have come.
func (c *client) codes() (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.all {
		if m.Type == "error" {
			all = append(all, m.Code)
		}
	}
	return all
}
