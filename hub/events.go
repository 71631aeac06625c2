package hub

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
	EventForward    = "forward"     // debug level: conn, room, id, type, to, bytes
)

// The names of fields in log lines. Nothing that clients send in confidence
// stands in any of them.
const (
	FieldConn       = "conn"       // number of the connection since the start
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
	ReasonDrain        = "drain"           // the server is going away
	ReasonClosed       = "closed"          // the client sent a close frame
	ReasonLost         = "lost"            // the connection broke
	ReasonPingTimeout  = "ping_timeout"    // no answer to a ping
	ReasonRateLimit    = "rate_limit"      // over the message rate for too long
	ReasonBadFrame     = "protocol_error"  // not WebSocket, or what parley does not take
)
