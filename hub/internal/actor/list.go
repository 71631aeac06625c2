package actor

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
)

// sliceSize is how much of a list one command takes: a few microseconds' worth,
// so that the longest list holds nobody up.
const sliceSize = 256

// RoomInfo is what a room is at one moment.
type RoomInfo struct {
	Name    string
	Members int
	Locked  bool
	Opened  time.Time
}

// MemberInfo is what a member is at one moment.
type MemberInfo struct {
	ID, Name  string
	Meta      json.RawMessage // profile; nil: none
	Node      string          // the node of the connection, in a cluster
	Conn      uint64          // number of its connection; 0: it was lost, and may be resumed
	Remote    netip.Addr      // of the connection
	Joined    time.Time
	Rights    wire.Rights
	Resumable bool
	Backlog   int // bytes of memory that wait for it
}

// ClientInfo is what a connection is at one moment, or one of its memberships if it may have
// several.
type ClientInfo struct {
	Node     string // the node of the connection, in a cluster
	Conn     uint64
	Remote   netip.Addr
	Opened   time.Time
	Room, ID string // empty: it has not joined
	Backlog  int    // bytes of memory that wait for it
}

// ask is a question to the loop, as a command.
type ask[T any] struct {
	of   func(l *loop) T
	done chan<- T // needs a capacity of one
}

func (a ask[T]) apply(l *loop) { Give(a.done, a.of(l)) }

// askLoop has the loop call of, and returns what it returns. The error is nil,
// [ErrClosed], or that of ctx.
func askLoop[T any](ctx context.Context, h *Hub, of func(l *loop) T) (answer T, err error) {
	c := make(chan T, 1)
	if err := h.Do(ask[T]{of, c}); err != nil {
		return answer, err
	}
	return Await(ctx, h, c)
}

// list collects what the loop has in a list of no order. It goes from the end to
// the start, since what leaves the list is replaced by its last: so it misses
// nothing that is there all the time, and may have twice what was moved.
func list[T, I any](ctx context.Context, h *Hub, of func(l *loop) []T, info func(T) I) ([]I, error) {
	var all []I
	for at := math.MaxInt; at > 0; {
		slice, err := askLoop(ctx, h, func(l *loop) part[I] {
			from := of(l)
			end := min(at, len(from))
			p := part[I]{next: max(0, end-sliceSize)}
			for _, t := range from[p.next:end] {
				p.infos = append(p.infos, info(t))
			}
			return p
		})
		if err != nil {
			return nil, err
		}
		all = append(all, slice.infos...)
		at = slice.next
	}
	return all, nil
}

// part is a slice of a list, and where the next one ends.
type part[I any] struct {
	infos []I
	next  int
}

// Rooms returns all rooms, sorted by name. It takes them from the loop a slice at
// a time: those that open or close meanwhile may be in it or not.
func (h *Hub) Rooms(ctx context.Context) ([]RoomInfo, error) {
	all, err := list(ctx, h, func(l *loop) []*room { return l.roomList }, (*room).info)
	slices.SortFunc(all, func(a, b RoomInfo) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(all, func(a, b RoomInfo) bool { return a.Name == b.Name }), err
}

func (r *room) info() RoomInfo {
	return RoomInfo{Name: r.name, Members: len(r.members), Locked: r.locked, Opened: r.opened}
}

// Clients returns all connections, sorted by their numbers, a slice at a time as
// Rooms does. One that is in several rooms is there for each of them.
func (h *Hub) Clients(ctx context.Context) ([]ClientInfo, error) {
	all, err := list(ctx, h, func(l *loop) []*Client { return l.clients }, (*Client).info)
	return SortClients(all), err
}

// SortClients sorts connections by node, number and membership, and takes out what is there
// twice: a connection that is in rooms is not in none.
func SortClients(all []ClientInfo) []ClientInfo {
	roomless := func(c ClientInfo) int {
		if c.ID == "" {
			return 1 // behind the others
		}
		return 0
	}
	slices.SortFunc(all, func(a, b ClientInfo) int {
		return cmp.Or(strings.Compare(a.Node, b.Node), cmp.Compare(a.Conn, b.Conn), roomless(a)-roomless(b),
			strings.Compare(a.Room, b.Room), strings.Compare(a.ID, b.ID))
	})
	return slices.CompactFunc(all, func(a, b ClientInfo) bool {
		return a.Node == b.Node && a.Conn == b.Conn && (roomless(a)+roomless(b) > 0 || a.Room == b.Room && a.ID == b.ID)
	})
}

func (c *Client) info() ClientInfo {
	i := ClientInfo{Node: c.node, Conn: c.conn, Remote: c.remote, Opened: c.opened, Backlog: c.out.Backlog()}
	if m := c.member; m != nil {
		i.Room, i.ID = m.room.name, m.id
	}
	return i
}

// RoomDetail is a room with its members, sorted by id.
type RoomDetail struct {
	RoomInfo
	MemberList []MemberInfo
}

// Room returns a room with its members, which it takes a slice at a time as Rooms
// does; nil: there is no such room.
func (h *Hub) Room(ctx context.Context, name string) (*RoomDetail, error) {
	var all []MemberInfo
	for after := ""; ; {
		d, err := askLoop(ctx, h, func(l *loop) *RoomDetail { return l.detail(name, after) })
		if d == nil || err != nil {
			return nil, err
		}
		all = append(all, d.MemberList...)
		if len(d.MemberList) < sliceSize {
			d.MemberList = all
			return d, nil
		}
		after = d.MemberList[sliceSize-1].ID
	}
}

// detail returns a room with a slice of its members: those behind an id.
func (l *loop) detail(name, after string) *RoomDetail {
	r := l.rooms[name]
	if r == nil {
		return nil
	}
	d := &RoomDetail{RoomInfo: r.info()}
	i, found := find(r, after)
	if found {
		i++
	}
	for _, m := range r.members[i:min(i+sliceSize, len(r.members))] {
		d.MemberList = append(d.MemberList, m.info())
	}
	return d
}

func (m *member) info() MemberInfo {
	i := MemberInfo{
		ID: m.id, Name: m.name, Meta: m.meta, Joined: m.joinedAt, Rights: m.grant.Rights,
		Resumable: m.session != nil, Backlog: m.out.Backlog(),
	}
	if c := m.client; c != nil {
		i.Node, i.Conn, i.Remote = c.node, c.conn, c.remote
	}
	return i
}
