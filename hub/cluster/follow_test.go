//go:build !race

package cluster

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// lists returns the members of all lists that a client has had since both ann and bob were in.
func (c *client) lists() (all [][]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.all {
		if m.Type == "room_members" && (len(all) > 0 || len(m.Members) == 2) {
			all = append(all, m.Members)
		}
	}
	return all
}

// ownerOf returns the name of the node whose hub has a partition.
func (v *virtualCluster) ownerOf(p int) (owner string) {
	for name, n := range v.nodes {
		n.call(n.post, func() {
			if n.control.owner.parts[p].state == partReady {
				owner = name
			}
		})
	}
	return owner
}

// A partition comes to the node at which its members are, without a change that they see,
// stays there while they are, and goes back to its placement behind them.
func TestFollow(t *testing.T) {
	virtualFollowing(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
		room := v.roomOf("b")
		p := PartitionOf(room)
		ann, bob := connect(t, v.nodes["a"]), connect(t, v.nodes["a"])
		ann.join(room, "ann", nil, true)
		bob.join(room, "bob", nil, false)
		ann.sees("ann", "bob")
		v.await("the room is where its members are", func() bool { return v.ownerOf(p) == "a" })
		want := ""
		for i := range 200 {
			text := fmt.Sprint(i)
			ann.send("bob", text)
			want += text + " "
			time.Sleep(500 * time.Millisecond)
			if at := v.ownerOf(p); at != "a" {
				t.Fatalf("the room is at %q", at)
			}
		}
		if bob.texts() != want {
			t.Errorf("bob has %q", bob.texts())
		}
		for _, members := range ann.lists() {
			if !slices.Equal(members, []string{"ann", "bob"}) {
				t.Errorf("ann was told of %q", members)
			}
		}
		ann.end()
		bob.end()
		v.await("the room is back", func() bool { return v.ownerOf(p) == "b" })
	})
}

// A partition whose members are spread stays at its placement.
func TestFollowNobody(t *testing.T) {
	virtualFollowing(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		room := v.roomOf("b")
		p := PartitionOf(room)
		var all []*client
		for i := range 8 {
			c := connect(t, v.nodes[[]string{"a", "a", "a", "b"}[i%4]])
			c.join(room, fmt.Sprint("member", i), nil, false)
			all = append(all, c)
		}
		for range 120 {
			time.Sleep(500 * time.Millisecond)
			if at := v.ownerOf(p); at != "b" {
				t.Fatalf("the room is at %q", at)
			}
		}
		for _, c := range all {
			c.end()
		}
		time.Sleep(time.Second)
	})
}

// A node that drains keeps nothing for its members.
func TestFollowDrain(t *testing.T) {
	virtualFollowing(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		room := v.roomOf("b")
		ann := connect(t, v.nodes["a"])
		ann.join(room, "ann", nil, true)
		v.await("the room is where its member is", func() bool { return v.ownerOf(PartitionOf(room)) == "a" })
		drained := make(chan error, 1)
		go func() { drained <- v.nodes["a"].Drain(t.Context()) }()
		v.await("the room is at the other node", func() bool { return v.ownerOf(PartitionOf(room)) == "b" })
		ann.end()
		if err := <-drained; err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
	})
}
