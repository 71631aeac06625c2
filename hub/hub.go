package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/stats"
	"github.com/parley-rtc/parley/hub/wire"
)

// ErrClosed is returned by methods of a hub that has been shut down or closed.
var ErrClosed = actor.ErrClosed

// Options are the limits of a hub. The zero value is valid: no limit, and no
// membership can be resumed.
type Options struct {
	MaxRooms       int           // rooms at one time; 0: no limit
	MaxRoomMembers int           // members of one room; 0: no limit
	ResumeWindow   time.Duration // how long the membership of a lost connection stays; 0: no membership is resumable
	KickBan        time.Duration // how long a kicked member is banned from the room; 0: not at all

	// RateFanOut limits the copies that the messages of one connection cause, in bytes
	// of memory a second; BurstFanOut is the limit at once. Copies are those of a
	// message to all other members, and of the member lists that a newcomer's first
	// message needs. A message over the limit is refused with congested. 0: no limit.
	// The daemon's defaults are 8 MiB and 32 MiB.
	RateFanOut, BurstFanOut int

	// TrackCalls follows the calls between members, from their offers, answers and
	// hang-ups, and from what they report: for the log, [stats.Hub.Calls], [Hub.Calls] and
	// Notify. Candidates are not looked at, and descriptions are not kept.
	TrackCalls bool

	// Logger gets the events of rooms and members, see package event. Nil: nothing is
	// logged. Its core must not block: the hub loop calls it.
	Logger *zap.Logger

	// Notify is called for each event of a room or a member, in order, on a goroutine
	// of its own. Nil: no events. During a slow call up to 4,096 events wait; further
	// ones are dropped and counted in [stats.Hub.EventsDropped]. A panic is logged and
	// loses that event. Notify must not call Shutdown, which waits for it.
	Notify func(event.Event)
}

// check returns what is wrong with the options, or nil.
func (o *Options) check() error {
	for _, v := range []struct {
		name  string
		value int64
	}{
		{"MaxRooms", int64(o.MaxRooms)}, {"MaxRoomMembers", int64(o.MaxRoomMembers)},
		{"ResumeWindow", int64(o.ResumeWindow)}, {"KickBan", int64(o.KickBan)},
		{"RateFanOut", int64(o.RateFanOut)}, {"BurstFanOut", int64(o.BurstFanOut)},
	} {
		if v.value < 0 {
			return fmt.Errorf("hub: %s is negative", v.name)
		}
	}
	if o.RateFanOut > 0 && o.BurstFanOut == 0 {
		return errors.New("hub: RateFanOut needs a BurstFanOut")
	}
	return nil
}

// Hub keeps rooms. Names of rooms and ids may be given in any spelling, see
// [wire.Normal]. Its methods may be called from any goroutine, at any time and in
// any order; after the hub has ended they return [ErrClosed].
type Hub struct {
	core   actor.Core
	stats  *stats.Hub
	events *events // nil: nobody is notified
	limits *atomic.Pointer[actor.Limits]
}

// New starts a hub. [Hub.Shutdown] or [Hub.Close] ends it.
func New(o Options) (*Hub, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	h := makeHub(o)
	h.core = actor.New(h.actor(o))
	return h, nil
}

// makeHub makes a hub without its core.
func makeHub(o Options) *Hub {
	h := &Hub{stats: new(stats.Hub), limits: new(atomic.Pointer[actor.Limits])}
	h.events = newEvents(o, h.stats)
	h.limits.Store(o.limits())
	return h
}

// limits returns the limits that SetLimits can change.
func (o *Options) limits() *actor.Limits {
	return &actor.Limits{
		MaxRooms: o.MaxRooms, MaxRoomMembers: o.MaxRoomMembers, ResumeWindow: o.ResumeWindow, KickBan: o.KickBan,
		FanOut: o.RateFanOut, FanOutBurst: o.BurstFanOut,
	}
}

// actor makes the options of the loop.
func (h *Hub) actor(o Options) actor.Options {
	a := actor.Options{
		Current: h.limits, TrackCalls: o.TrackCalls, Logger: o.Logger, Stats: h.stats,
	}
	if h.events != nil {
		a.Notify = h.events.add
	}
	return a
}

// SetLimits takes over MaxRooms, MaxRoomMembers, ResumeWindow, KickBan, RateFanOut and
// BurstFanOut, all at once, for joins, lost connections, kicks and messages from now on;
// the other options stay as they are.
// No member has to leave. The error names an option that is invalid: then nothing
// changes. In a cluster it holds for the rooms that this node owns.
func (h *Hub) SetLimits(o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	h.limits.Store(o.limits())
	return nil
}

// NewOver is for package hub/cluster: it makes a hub whose rooms are on several nodes.
// build starts the node; no other package can write such a function.
func NewOver(o Options, build func(actor.Options) (actor.Core, error)) (*Hub, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	h := makeHub(o)
	core, err := build(h.actor(o))
	if err != nil {
		h.events.abandon()
		return nil, err
	}
	h.core = core
	return h, nil
}

// Stats returns the hub's counters, which may be read at any time, also after the end.
func (h *Hub) Stats() *stats.Hub { return h.stats }

// Resumes reports whether memberships can be resumable, see [Options.ResumeWindow].
func (h *Hub) Resumes() bool { return h.core.Resumes() }

// Shutdown closes every connection with 1001, also those that come meanwhile, waits
// until they have ended, ends the hub, and waits until [Options.Notify] has had all
// events. If ctx is done first, Shutdown returns its error: call [Hub.Close] then. It
// may be called more than once, but not by Notify, for which it waits.
func (h *Hub) Shutdown(ctx context.Context) error {
	if err := h.core.Drain(ctx); err != nil && !errors.Is(err, ErrClosed) {
		return err
	}
	h.core.Close()
	return h.events.finish(ctx)
}

// Close ends the hub at once, and all connections without a close frame. Events that
// [Options.Notify] has not had are dropped; a call under way goes on. Close may be
// called more than once, and before, during or after [Hub.Shutdown]. The error is
// always nil.
func (h *Hub) Close() error {
	h.core.Close()
	h.events.abandon()
	return nil
}

// Rooms returns all rooms, sorted by name. It collects them in steps, so that a long
// list does not hold up the hub: a room that opens or closes meanwhile may be listed or
// not.
func (h *Hub) Rooms(ctx context.Context) ([]RoomInfo, error) {
	rooms, err := h.core.Rooms(ctx)
	return convert(rooms, roomInfo), err
}

// Room returns a room with its members, sorted by id and collected in steps, as in
// [Hub.Rooms]. It returns nil and no error if there is no such room.
func (h *Hub) Room(ctx context.Context, name string) (*RoomDetail, error) {
	d, err := h.core.Room(ctx, normal(name))
	if d == nil || err != nil {
		return nil, err
	}
	return &RoomDetail{RoomInfo(d.RoomInfo), convert(d.MemberList, memberInfo)}, nil
}

// Count returns how many members a room has, and how many of them have the profile meta; nil:
// no profile. Both are 0 if there is no such room.
func (h *Hub) Count(ctx context.Context, room string, meta json.RawMessage) (members, alike int, err error) {
	n, err := h.core.Count(ctx, normal(room), meta)
	return n.Members, n.Alike, err
}

// Clients returns all connections, sorted by their numbers and collected in steps, as
// in [Hub.Rooms]. One that is in several rooms is there for each of them.
func (h *Hub) Clients(ctx context.Context) ([]ClientInfo, error) {
	clients, err := h.core.Clients(ctx)
	return convert(clients, clientInfo), err
}

// Calls returns the calls that are not over and those of the last hour (at most 4,096
// for each node), the first that started first, without their stories. It collects them in
// steps, as in [Hub.Rooms]. There are none without [Options.TrackCalls].
func (h *Hub) Calls(ctx context.Context) ([]event.Call, error) { return h.core.Calls(ctx) }

// Call returns the call with an id, with its story. It returns nil and no error if there
// is no such call, or if it ended more than an hour ago.
func (h *Hub) Call(ctx context.Context, id string) (*event.Call, error) { return h.core.Call(ctx, id) }

// Kick removes a member from a room: its connection is closed with 4002, its session
// ends, and it is banned from the room for [Options.KickBan]. The ban covers its id, the
// subject of its grant, and, if it has none, its address, unless other members of the
// room share it. If there is no such room or member, [wire.CodeOf] of the error is
// [wire.CodeTargetNotFound].
func (h *Hub) Kick(ctx context.Context, room, id string) error {
	return h.core.CarryOut(ctx, &actor.Kick{Order: order(room), To: normal(id)})
}

// Lock locks a room: then only members with the right to moderate can join it. The lock
// ends with the room. If there is no such room, [wire.CodeOf] of the error is
// [wire.CodeTargetNotFound].
func (h *Hub) Lock(ctx context.Context, room string) error {
	return h.core.CarryOut(ctx, &actor.Lock{Order: order(room), Locked: true})
}

// Unlock ends a room's lock. Errors are those of [Hub.Lock].
func (h *Hub) Unlock(ctx context.Context, room string) error {
	return h.core.CarryOut(ctx, &actor.Lock{Order: order(room)})
}

// CloseRoom removes all members from a room and closes their connections with 4002,
// which ends the room. They may join it again. Errors are those of [Hub.Lock].
func (h *Hub) CloseRoom(ctx context.Context, room string) error {
	return h.core.CarryOut(ctx, &actor.CloseRoom{Order: order(room)})
}

// MaxAnnouncement is the largest announcement, in bytes of JSON.
const MaxAnnouncement = 64 << 10

// Announce sends a message without a sender to all members of a room. data must be JSON
// in UTF-8, or the code of the error is [wire.CodeBadMessage]. Other errors are those of
// [Hub.Lock].
func (h *Hub) Announce(ctx context.Context, room string, data json.RawMessage) error {
	if len(data) > MaxAnnouncement {
		return &wire.Refusal{Code: wire.CodeBadMessage, Text: "the announcement is larger than 64 KiB"}
	}
	a := &actor.Announce{Order: order(room), Data: data}
	if err := a.Check(); err != nil {
		return err
	}
	return h.core.CarryOut(ctx, a)
}

// order returns an operator's order for a room.
func order(room string) actor.Order { return actor.Order{Room: normal(room)} }

// normal returns a room's name or an id in the form that the hub knows it by.
func normal(s string) string { return string(wire.Normal([]byte(s))) }

// Rights are what a member may do.
type Rights = wire.Rights
