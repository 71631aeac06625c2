package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/actor"
)

// This file answers the operator's questions for all nodes, and has the operator's orders
// carried out.

// NodeInfo is what a node is at one moment.
type NodeInfo struct {
	Name        string
	State       string // up or draining
	Self        bool   // it is the one that was asked
	Partitions  int    // that it owns, of [Partitions]
	Rooms       int    // that it owns
	Members     int    // of those rooms
	Connections int    // of the node
}

// CarryOut carries out an order of the operator, wherever the room is.
// The error is a [*wire.Refusal] if the order could not be carried out; any other says
// that the outcome is not known.
func (n *Node) CarryOut(ctx context.Context, c actor.Ordered) error {
	var q request
	switch c := c.(type) {
	case *actor.Kick:
		q = request{What: "kick", Room: c.Room, ID: c.To}
	case *actor.Lock:
		q = request{What: "unlock", Room: c.Room}
		if c.Locked {
			q.What = "lock"
		}
	case *actor.CloseRoom:
		q = request{What: "close", Room: c.Room}
	case *actor.Announce:
		q = request{What: "announce", Room: c.Room, Data: c.Data}
	default:
		return errors.New("cluster: unknown order")
	}
	b, err := n.askOwner(ctx, q)
	if err != nil {
		return err
	}
	var out outcomeOf
	if err := json.Unmarshal(b, &out); err != nil {
		return err
	}
	if out.Error != "" {
		return errors.New(out.Error)
	}
	if out.Refusal != nil {
		return out.Refusal
	}
	return nil
}

var errNoOwner = errors.New("cluster: the room has no owner at the moment")

// ownerOf returns the way to the owner of a room.
func (n *Node) ownerOf(room string) (*link, error) {
	var l *link
	if !n.call(n.toEdge, func() { l = n.edge.parts[PartitionOf(room)].owner }) {
		return nil, actor.ErrClosed
	}
	if l == nil {
		return nil, errNoOwner
	}
	return l, nil
}

// How long a room that moves is waited for, and how often it is asked for meanwhile.
const (
	moveTime  = 3 * time.Second
	moveEvery = 20 * time.Millisecond
)

// askOwner sends a request to the owner of its room. If the room is moving, it waits for the next
// owner for a while.
func (n *Node) askOwner(ctx context.Context, q request) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, moveTime)
	defer cancel()
	for {
		l, err := n.ownerOf(q.Room)
		if err != nil {
			return nil, err
		}
		b, err := n.request(ctx, l, q)
		if !errors.Is(err, errMoves) {
			return b, err
		}
		select {
		case <-time.After(moveEvery):
		case <-ctx.Done():
			return nil, errMoves
		}
	}
}

// all asks every node the same, and returns the answers put together.
func all[T any](ctx context.Context, n *Node, q request) ([]T, error) {
	n.mu.RLock()
	var links []*link
	for _, l := range n.links {
		links = append(links, l)
	}
	n.mu.RUnlock()
	var list []T
	for _, l := range links {
		b, err := n.request(ctx, l, q)
		if err != nil {
			return nil, err
		}
		var part []T
		if err := json.Unmarshal(b, &part); err != nil {
			return nil, err
		}
		list = append(list, part...)
	}
	return list, nil
}

// Rooms returns the rooms of all nodes, sorted by name.
func (n *Node) Rooms(ctx context.Context) ([]actor.RoomInfo, error) {
	list, err := all[actor.RoomInfo](ctx, n, request{What: "rooms"})
	slices.SortFunc(list, func(a, b actor.RoomInfo) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(list, func(a, b actor.RoomInfo) bool { return a.Name == b.Name }), err
}

// Room returns a room with its members; nil: there is no such room.
func (n *Node) Room(ctx context.Context, name string) (*actor.RoomDetail, error) {
	b, err := n.askOwner(ctx, request{What: "room", Room: name})
	if err != nil {
		return nil, err
	}
	var d *actor.RoomDetail
	return d, json.Unmarshal(b, &d)
}

// Count returns how many members a room has, and how many of them have a profile.
func (n *Node) Count(ctx context.Context, room string, meta []byte) (c actor.Counted, err error) {
	b, err := n.askOwner(ctx, request{What: "count", Room: room, Data: meta})
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(b, &c)
}

// Clients returns the connections of all nodes, sorted by node and number.
func (n *Node) Clients(ctx context.Context) ([]actor.ClientInfo, error) {
	list, err := all[actor.ClientInfo](ctx, n, request{What: "clients"})
	return actor.SortClients(list), err
}

// Calls returns the calls of the rooms of all nodes, the first that started first.
func (n *Node) Calls(ctx context.Context) ([]event.Call, error) {
	list, err := all[event.Call](ctx, n, request{What: "calls"})
	slices.SortFunc(list, func(a, b event.Call) int {
		return cmp.Or(a.Started.Compare(b.Started), strings.Compare(a.ID, b.ID))
	})
	return list, err
}

// Call returns a call with its story; nil: no node knows it.
func (n *Node) Call(ctx context.Context, id string) (*event.Call, error) {
	n.mu.RLock()
	links := slices.Collect(maps.Values(n.links))
	n.mu.RUnlock()
	for _, l := range links {
		b, err := n.request(ctx, l, request{What: "call", ID: id})
		if err != nil {
			return nil, err
		}
		var c *event.Call
		if err := json.Unmarshal(b, &c); c != nil || err != nil {
			return c, err
		}
	}
	return nil, nil
}

// ownClients returns the connections of this node. Its hub knows most of the local ones.
func (n *Node) ownClients(ctx context.Context, h *actor.Hub) (list []actor.ClientInfo, err error) {
	local := map[uint64][]actor.ClientInfo{} // the memberships of a connection
	members, err := h.Clients(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range members {
		if c.Node == n.options.Name {
			local[c.Conn] = append(local[c.Conn], c)
		}
	}
	if !n.call(n.toEdge, func() {
		for _, t := range n.edge.clients {
			c := actor.ClientInfo{
				Node: n.options.Name, Conn: t.client.Conn(), Remote: t.client.Remote(), Opened: t.opened,
				Room: t.member.Room, ID: t.member.ID, Backlog: t.out.Backlog(),
			}
			if of := local[c.Conn]; t.state == clientLocal && len(of) > 0 {
				c, local[c.Conn] = of[0], of[1:]
			}
			list = append(list, c)
		}
	}) {
		return nil, actor.ErrClosed
	}
	return list, nil
}

// Nodes returns all nodes, sorted by name.
func (n *Node) Nodes(ctx context.Context) ([]NodeInfo, error) {
	list, err := all[NodeInfo](ctx, n, request{What: "node"})
	for i := range list {
		list[i].Self = list[i].Name == n.options.Name
	}
	slices.SortFunc(list, func(a, b NodeInfo) int { return strings.Compare(a.Name, b.Name) })
	return list, err
}

// info returns what this node is, as a list of one.
func (n *Node) info() ([]NodeInfo, error) {
	var state string
	if !n.call(n.post, func() { state = n.control.state }) {
		return nil, actor.ErrClosed
	}
	return []NodeInfo{{
		Name: n.options.Name, State: state, Rooms: int(n.stats.Rooms.Load()), Members: int(n.stats.Members.Load()),
		Connections: int(n.connections.Load()), Partitions: int(n.owned.Load()),
	}}, nil
}
