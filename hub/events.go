package hub

import "time"

// The events that the hub logs: constant messages of log lines.
const (
	EventRoomOpened = "room opened" // room
	EventRoomClosed = "room closed" // room, duration
	EventJoin       = "join"        // conn, room, id, members
	EventLeave      = "leave"       // conn, room, id, reason, duration
	EventSuspend    = "suspended"   // conn, room, id, reason: the connection was lost, the membership stays
	EventResume     = "resumed"     // conn, room, id, missed
	EventRefused    = "refused"     // conn, room and id if joined, code, type, suppressed
	EventEvicted    = "evicted"     // conn, room and id if joined: its queue overflowed
	EventKick       = "kick"        // room, id; conn and by of the moderator, if it was one
	EventLock       = "lock"        // room; conn and by of the moderator, if it was one
	EventUnlock     = "unlock"      // the same
	EventCloseRoom  = "close room"  // room: those who run the server ended it
	EventRestored   = "restored"    // debug level: conn, room, id, members: a membership was taken over from another node
	EventExported   = "exported"    // debug level: room: it was handed to another node
	EventForward    = "forward"     // debug level: conn, room, id, type, to, bytes
)

// The names of fields in log lines. Nothing that clients send in confidence
// stands in any of them.
const (
	FieldConn       = "conn"       // number of the connection since the start
	FieldNode       = "node"       // that the connection is with, where there are several
	FieldRoom       = "room"       // name of the room
	FieldID         = "id"         // the member's id
	FieldRemote     = "remote"     // the client's address
	FieldCode       = "code"       // an error code of the protocol, or a close code
	FieldReason     = "reason"     // why, see the reasons below
	FieldDuration   = "duration"   // seconds
	FieldMembers    = "members"    // members of the room, with this one
	FieldMissed     = "missed"     // messages that a resumed member is sent again or at last
	FieldType       = "type"       // a message's type
	FieldTo         = "to"         // the receiver's id; empty: everybody else
	FieldBytes      = "bytes"      // length of a message
	FieldBy         = "by"         // the moderator's id; absent: those who run the server
	FieldSuppressed = "suppressed" // events of this kind that were not logged since the last
)

// Why a membership ended, in the field reason. Those that wsconn learns of come
// with [Unregister] and [CloseClient].
const (
	reasonLeft = "left" // the member sent leave

	ReasonSlow         = "slow_consumer"   // its queue overflowed
	ReasonExpired      = "session_expired" // nobody resumed in time, or too late
	ReasonNoJoin       = "join_timeout"    // no join in time
	ReasonCloseTimeout = "close_timeout"   // the closing took too long
	ReasonKicked       = "kicked"          // by a moderator or those who run the server
	ReasonRoomEnded    = "room_closed"     // by those who run the server
	ReasonTokenExpired = "token_expired"   // its token ran out
	ReasonDrain        = "drain"           // the server is going away
	ReasonClosed       = "closed"          // the client sent a close frame
	ReasonLost         = "lost"            // the connection broke
	ReasonPingTimeout  = "ping_timeout"    // no answer to a ping
	ReasonRateLimit    = "rate_limit"      // over the message rate for too long
	ReasonBadFrame     = "protocol_error"  // not WebSocket, or what parley does not take
)

// Event is what [Options.Notify] is told: a room was opened or closed, a member
// joined, left or was kicked.
type Event struct {
	Kind     string // EventRoomOpened, EventRoomClosed, EventJoin, EventLeave or EventKick
	Time     time.Time
	Room     string
	ID, Name string        // of the member; its nickname may be empty
	Members  int           // of the room, after a join or leave
	Reason   string        // why the membership ended
	By       string        // the moderator who kicked; empty: those who run the server
	Duration time.Duration // of the membership, or of the room
}

func (l *loop) notify(e Event) {
	e.Time = l.now
	l.options.Notify(e)
}
