package cluster

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/wire"
)

var moderator = &actor.Grant{Rights: wire.DefaultRights | wire.MayModerate}

// Moderators lock rooms and kick members wherever these are; both hold when the room
// has another owner, be it after a hand-over or after the owner died.
func TestOrdersOutliveOwners(t *testing.T) {
	for _, how := range []string{"leaves", "dies"} {
		t.Run(how, func(t *testing.T) {
			m := newMemory()
			nodes := cluster(t, m, "a", "b", "c")
			room := roomOwnedBy(t, nodes["c"])
			mod, bad, other := connect(t, nodes["a"]), connect(t, nodes["b"]), connect(t, nodes["b"])
			mod.join(room, "mod", moderator, false)
			bad.join(room, "bad", nil, true)
			other.join(room, "other", nil, false)
			other.sees("bad", "mod", "other")
			_ = other.n.Do(&actor.Kick{Order: actor.Order{Client: other.client}, To: "bad"})
			other.until("forbidden", func(m message) bool { return m.Code == "forbidden" })
			_ = mod.n.Do(&actor.Kick{Order: actor.Order{Client: mod.client}, To: "bad"})
			other.sees("mod", "other")
			await(t, "closed with 4002", func() bool { bad.mu.Lock(); defer bad.mu.Unlock(); return bad.closed == wire.CloseKicked })
			_ = mod.n.Do(&actor.Lock{Order: actor.Order{Client: mod.client}, Locked: true})
			other.until("locked", func(m message) bool { return m.Locked })

			if how == "leaves" {
				if err := nodes["c"].Drain(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			nodes["c"].Close()
			delete(nodes, "c")
			late := connect(t, nodes["a"])
			if late.join(room, "late", nil, false) {
				t.Error("the new owner does not know that the room is locked")
			}
			mod.until("locked", func(m message) bool { return m.Locked })
			_ = mod.n.Do(&actor.Lock{Order: actor.Order{Client: mod.client}})
			mod.until("unlocked", func(m message) bool { return m.Type == "room_members" && !m.Locked && len(m.Members) == 2 })
			if late.join(room, "bad", nil, false) {
				t.Error("the new owner does not know of the ban")
			}
			late.until("forbidden", func(m message) bool { return m.Code == "forbidden" })
			if !late.join(room, "late", nil, false) {
				t.Error("an unlocked room does not let in")
			}
		})
	}
}

// Of two who race for an id on two nodes exactly one gets in.
func TestRaceForID(t *testing.T) {
	m := newMemory()
	nodes := cluster(t, m, "a", "b", "c")
	for i := range 50 {
		room := fmt.Sprint("race ", i)
		results := make(chan bool, 2)
		for _, name := range []string{"a", "b"} {
			c := connect(t, nodes[name])
			go func() { results <- c.join(room, "same", nil, false) }()
		}
		if first, second := <-results, <-results; first == second {
			t.Fatalf("in %s: %v and %v", room, first, second)
		}
	}
}

// Orders of those who run the servers, and lists, reach every node.
func TestAsk(t *testing.T) {
	m := newMemory()
	nodes := cluster(t, m, "a", "b")
	roomA, roomB := roomOwnedBy(t, nodes["a"]), roomOwnedBy(t, nodes["b"])
	x, y := connect(t, nodes["a"]), connect(t, nodes["b"])
	x.join(roomB, "x", nil, false)
	y.join(roomA, "y", nil, false)
	x.sees("x")
	y.sees("y")
	for name, n := range nodes {
		rooms, err := n.Rooms(t.Context())
		if err != nil || len(rooms) != 2 {
			t.Errorf("%s lists %v %v", name, rooms, err)
		}
		clients, err := n.Clients(t.Context())
		if err != nil || len(clients) != 2 || clients[0].Node != "a" || clients[1].ID != "y" {
			t.Errorf("%s lists %v %v", name, clients, err)
		}
		d, err := n.Room(t.Context(), roomA)
		if err != nil || d == nil || len(d.MemberList) != 1 || d.MemberList[0].Node != "b" {
			t.Errorf("%s: %+v %v", name, d, err)
		}
		if d, err := n.Room(t.Context(), "nothing"); d != nil || err != nil {
			t.Errorf("%s: %v %v", name, d, err)
		}
		await(t, "nodes that own all partitions between them, seen from "+name, func() bool {
			all, err := n.Nodes(t.Context())
			return err == nil && len(all) == 2 && all[0].Partitions+all[1].Partitions == Partitions && all[0].Self != all[1].Self
		})
	}
	if err := nodes["a"].Hub().Kick(t.Context(), roomB, "x"); err != nil {
		t.Errorf("kick: %v", err)
	}
	await(t, "closed", func() bool { x.mu.Lock(); defer x.mu.Unlock(); return x.closed == wire.CloseKicked })
	if err := nodes["b"].Hub().CloseRoom(t.Context(), "nothing"); wire.CodeOf(err) != wire.CodeTargetNotFound {
		t.Errorf("close: %v", err)
	}
}

// A connection is listed for each of its memberships, whichever node has the room.
func TestMembershipsOfOneConnectionAreListed(t *testing.T) {
	nodes := cluster(t, newMemory(), "a", "b")
	roomA, roomB := roomOwnedBy(t, nodes["a"]), roomOwnedBy(t, nodes["b"])
	connect(t, nodes["a"]) // is in no room
	want := []string{"x in " + roomA, "y in " + roomA, "z in " + roomB}
	for id, room := range map[string]string{"x": roomA, "y": roomA, "z": roomB} {
		if !connect(t, nodes["a"]).join(room, id, nil, false) {
			t.Fatalf("%s is not let in", id)
		}
	}
	for name, n := range nodes {
		clients, err := n.Clients(t.Context())
		var got []string
		for _, c := range clients {
			got = append(got, c.ID+" in "+c.Room)
		}
		slices.Sort(got)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s lists %q %v, want %q", name, got, err, want)
		}
	}
}

// Rooms of other nodes count for the most that there may be.
func TestMaxRooms(t *testing.T) {
	m := newMemory()
	n, err := New(Options{Name: "a", Backplane: m.join("a"), QueueBytes: 1 << 20, Hub: hub.Options{MaxRooms: 2}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	await(t, "ready", n.Ready)
	n.elsewhere.Store(1)
	first, second := connect(t, n), connect(t, n)
	if !first.join("one", "x", nil, false) {
		t.Error("the first room is refused")
	}
	n.elsewhere.Store(1)
	if second.join("two", "x", nil, false) {
		t.Error("a third room is opened")
	}
	second.until("server_full", func(m message) bool { return m.Code == "server_full" })
}

// What nodes tell of a room is the truth or an error, also while its owner changes, and so are the
// outcomes of orders.
func TestWhatIsToldOfARoomThatMoves(t *testing.T) {
	for _, how := range []string{"leaves", "dies"} {
		t.Run(how, func(t *testing.T) {
			m := newMemory()
			nodes := cluster(t, m, "a", "b", "c")
			room := roomOwnedBy(t, nodes["c"])
			for i := range 3 {
				c := connect(t, nodes["a"])
				c.join(room, fmt.Sprint(i), nil, false)
			}
			gone, asked := make(chan struct{}), make(chan int)
			for _, name := range []string{"a", "b"} {
				n := nodes[name]
				go func() {
					told := 0
					for over := false; !over || told == 0; {
						select {
						case <-gone:
							over = true
						default:
						}
						if c, err := n.Count(t.Context(), room, nil); err == nil {
							if told++; c.Members != 3 {
								t.Errorf("node %s counts %d members", name, c.Members)
							}
						}
						if r, err := n.Room(t.Context(), room); err == nil && (r == nil || r.Members != 3) {
							t.Errorf("node %s says that the room is %+v", name, r)
						}
						var refusal *wire.Refusal
						if err := n.CarryOut(t.Context(), &actor.Lock{Order: actor.Order{Room: room}, Locked: true}); errors.As(err, &refusal) {
							t.Errorf("node %s says: %v", name, err)
						}
					}
					asked <- told
				}()
			}
			if how == "leaves" {
				if err := nodes["c"].Drain(t.Context()); err != nil {
					t.Error(err)
				}
			}
			nodes["c"].Close()
			delete(nodes, "c")
			await(t, "another owns the room", func() bool {
				_, err := nodes["a"].Count(t.Context(), room, nil)
				return err == nil
			})
			close(gone)
			for range 2 {
				if told := <-asked; told == 0 {
					t.Error("nothing is told")
				}
			}
		})
	}
}
