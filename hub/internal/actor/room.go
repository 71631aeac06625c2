package actor

import (
	"net/netip"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// member is a client's membership of a room. Everything in it is owned by the
// loop.
type member struct {
	room     *room   // nil: has left
	client   *Client // nil: the connection was lost, and may be resumed
	out      Receiver
	session  *session // nil: not resumable
	id       string
	quotedID []byte // id as a JSON string
	name     string // nickname, may be empty
	meta     []byte // profile, as JSON; nil: none
	grant    *Grant
	joinedAt time.Time
	turn     Turn       // of its latest connection
	asked    time.Time  // when that asked for the place, see Asked.At; zero: not known
	remote   netip.Addr // of its latest connection
	since    uint64     // rule 3 of membership.go
	told     uint64     // rule 2
	heard    uint64     // messages to the whole room that it has had, see room.said
	changes  bool       // it is told of changes in place of whole lists
	quiet    bool       // it is told nothing of the room's members
	key      string     // see Join.Key
	watched  bool       // see stall.go
	evicted  bool       // leaves after the present command
	expires  time.Time  // when it ends without a connection, of one that has none
	awaited  *Resume    // waits for the connection before it, which is being closed; nil: none
	// handled counts the messages of the client that were carried out or answered,
	// the join included and resumes not.
	handled uint64
}

// room is a set of members. Everything in it is owned by the loop.
type room struct {
	name    string
	members []*member // sorted by id
	opened  time.Time
	locked  bool
	index   int // in the loop's list of rooms

	keepOpen bool // somebody enters at once: the room does not close behind the last member

	version   uint64       // rule 1 of membership.go
	lastLeft  uint64       // the last version that lacks a member of the one before
	lastGone  uint64       // the same, but for takeovers too
	state     *frame.Frame // room_members of the version encoded, or nil
	encoded   uint64
	textBytes int // of all ids, nicknames and profiles, to size state

	profiles map[string]int // how many members have each profile; nil: nobody has asked

	changers int       // members that are told of changes
	quiet    int       // members that are told nothing
	log      changeLog // kept while there are changers

	listed    bool      // is in the loop's list of changed rooms
	sent      int       // bytes of lists and changes that members were told, as pay counts them
	toldAll   uint64    // version that all members were last told
	heldTo    time.Time // not before this time are all members told again
	held      bool      // a timer runs for heldTo
	owed      float64   // bytes of lists that were sent and are not paid for, at owedAt
	owedAt    time.Time
	newcomers []*member // joined since all were last told

	round   round
	said    uint64   // messages to the whole room that were sent in rounds, so far
	sayings []saying // the last of them, that not all have had
}

// find returns where id stands among the members or would stand.
func find[T ~string | ~[]byte](r *room, id T) (int, bool) {
	low, high := 0, len(r.members)
	for low < high {
		if mid := (low + high) / 2; r.members[mid].id < string(id) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low, low < len(r.members) && r.members[low].id == string(id)
}

// memberOf returns the member with this id, or nil.
func memberOf[T ~string | ~[]byte](r *room, id T) *member {
	if i, ok := find(r, id); ok {
		return r.members[i]
	}
	return nil
}

// insert puts a new member into its room, and ties it to its client and session, if it
// has them.
func (l *loop) insert(m *member, session string) {
	r := m.room
	m.quotedID = wire.AppendQuoted(nil, m.id)
	if m.grant == nil {
		m.grant = defaultGrant
	}
	if m.client != nil {
		m.client.member, m.remote = m, m.client.remote
	}
	if s, ok := parseSession(session); ok {
		m.session = &s
		l.sessions[s.handle] = m
	}
	m.heard = r.said
	i, _ := find(r, m.id)
	r.members = slices.Insert(r.members, i, m)
	if !m.quiet {
		r.newcomers = append(r.newcomers, m)
	}
	r.weigh(m, 1)
	if m.changes {
		r.changers++
	}
	if m.quiet {
		r.quiet++
	}
	l.change(r, change{what: memberJoined, id: m.id})
	m.since = r.version
	l.hub.Stats.Members.Add(1)
}

// textBytes is about what the member takes in a list.
func (m *member) textBytes() int {
	n := len(m.quotedID) + 1
	if m.name != "" {
		n += len(m.quotedID) + len(m.name) + 4
	}
	if m.meta != nil {
		n += len(m.quotedID) + len(m.meta) + 2
	}
	return n
}

// leaveRoom ends a membership, if m is one, and closes the room behind the last
// member.
func (l *loop) leaveRoom(m *member, reason string) {
	if m == nil || m.room == nil {
		return
	}
	r := m.room
	l.catchUp(m)
	l.finishSaying(m)
	l.log.Info(event.Leave, m.fields(
		zap.String(event.FieldReason, reason),
		zap.Duration(event.FieldDuration, l.now.Sub(m.joinedAt)),
	)...)
	l.callsLeft(m, reason)
	i, _ := find(r, m.id)
	r.members = slices.Delete(r.members, i, i+1)
	r.weigh(m, -1)
	if m.changes {
		r.changers--
	}
	if m.quiet {
		r.quiet--
	}
	l.change(r, change{what: memberLeft, id: m.id, name: m.name != "", meta: m.meta != nil})
	r.lastLeft, r.lastGone = r.version, r.version
	l.endSession(m)
	m.room, m.client = nil, nil
	l.hub.Stats.Members.Add(-1)
	l.notify(event.Event{
		Kind: event.MemberLeft, Room: r.name, ID: m.id, Name: m.name, Members: len(r.members),
		Reason: reason, Duration: l.now.Sub(m.joinedAt),
	})
	if len(r.members) == 0 && !r.keepOpen {
		l.closeRoom(r)
	}
}

// endSession forgets the session of a member that leaves, and lets go of its
// client or of what is kept for it.
func (l *loop) endSession(m *member) {
	if m.session != nil {
		delete(l.sessions, m.session.handle)
	}
	if m.client != nil {
		m.client.member = nil
		m.client.out.Reset(false, Turn{})
		return
	}
	l.hub.Stats.Suspended.Add(-1)
	m.out.Discard()
}

// fields are the log fields that name the member, with its connection's number
// while it has one, followed by more.
func (m *member) fields(more ...zap.Field) []zap.Field {
	if m.client != nil {
		return m.client.fields(more...)
	}
	return append([]zap.Field{zap.String(event.FieldRoom, m.room.name), zap.String(event.FieldID, m.id)}, more...)
}

func (l *loop) newRoom(name string) *room {
	r := &room{name: name, opened: l.now, index: len(l.roomList)}
	l.rooms[name] = r
	l.roomList = append(l.roomList, r)
	l.hub.Stats.Rooms.Add(1)
	return r
}

func (l *loop) openRoom(name string) *room {
	r := l.newRoom(name)
	l.log.Info(event.RoomOpened, zap.String(event.FieldRoom, r.name))
	l.notify(event.Event{Kind: event.OpenedRoom, Room: r.name})
	return r
}

func (l *loop) closeRoom(r *room) {
	l.dropRoom(r)
	lived := l.now.Sub(r.opened)
	l.log.Info(event.RoomClosed, zap.String(event.FieldRoom, r.name), zap.Duration(event.FieldDuration, lived))
	l.notify(event.Event{Kind: event.ClosedRoom, Room: r.name, Duration: lived})
}

func (l *loop) dropRoom(r *room) {
	delete(l.rooms, r.name)
	last := len(l.roomList) - 1
	l.roomList[r.index] = l.roomList[last]
	l.roomList[r.index].index = r.index
	l.roomList[last] = nil
	l.roomList = l.roomList[:last]
	r.forgetState()
	r.forgetSayings(l, 0)
	l.hub.Stats.Rooms.Add(-1)
}
