// Package event names the log events of rooms, members, connections and calls: messages, fields
// and reasons. They carry nothing that clients send in confidence. [Event] is the same
// for programs, see hub.Options.Notify.
package event

// The messages of log lines, each with its fields. At level info, except where another
// one is named.
const (
	RoomOpened = "room opened" // room
	RoomClosed = "room closed" // room, duration
	Join       = "join"        // conn, room, id, members
	Leave      = "leave"       // conn if connected, room, id, reason, duration
	Suspend    = "suspended"   // conn, room, id, reason: the connection was lost, the membership stays
	Resume     = "resumed"     // conn, room, id, missed
	Takeover   = "taken over"  // conn if connected, room, id: a join with the same token's sub replaced the member
	Refused    = "refused"     // conn, code, type, reason (in words), suppressed; room and id of the member, or those that a join asked for
	Evicted    = "evicted"     // warn level: conn; room and id if joined: the queue overflowed or was not read
	Kick       = "kick"        // room, id; conn and by of the moderator, absent if the operator kicked
	Lock       = "lock"        // room; conn and by of the moderator, absent if the operator locked
	Unlock     = "unlock"      // as lock
	CloseRoom  = "close room"  // room: the operator ended it
	Restored   = "restored"    // debug level: conn if connected, room, id, members: the membership came from another node
	Exported   = "exported"    // debug level: room: it went to another node
	GateFailed = "gate failed" // warn level: conn, error: a join or a token could not be decided on
	Panic      = "panic"       // error level: conn if one was ended, reason (the callback), panic, stack
	Forward    = "forward"     // debug level: conn, room, id, type, to, bytes

	// Of a call, when it is over: call, room, from, to, outcome, reason, by, duration and
	// offers; answered and setup, path and protocol, cause, and rtt, rtt_worst, jitter, loss,
	// loss_worst and freezes where they are known.
	CallDone   = "call"
	CallFailed = "call failed" // warn level: call, room, from, to, by; cause if reported: the member by reports a failure
)

// The names of fields in log lines.
const (
	FieldConn       = "conn"       // number of the connection since the start
	FieldNode       = "node"       // the node of the connection, in a cluster
	FieldRoom       = "room"       // name of the room
	FieldID         = "id"         // the member's id
	FieldRemote     = "remote"     // the client's address
	FieldCode       = "code"       // an error code of the protocol, or a close code
	FieldReason     = "reason"     // one of the reasons below; of a refusal, words; of a panic, the callback
	FieldDuration   = "duration"   // seconds
	FieldMembers    = "members"    // members of the room, this one included
	FieldMissed     = "missed"     // messages that a resumed member had not received
	FieldType       = "type"       // a message's type
	FieldTo         = "to"         // the receiver's id; empty: all other members
	FieldBytes      = "bytes"      // length of a message
	FieldBy         = "by"         // the moderator's id; absent: the operator. Of a call: who ended it, or reports the failure
	FieldSuppressed = "suppressed" // refusals of the client since its last line, which were not logged

	// Of calls. Times are in seconds.
	FieldCall      = "call"       // the call's id
	FieldFrom      = "from"       // the id of the member that sent the first offer; to is the other's
	FieldOutcome   = "outcome"    // what became of the call
	FieldCause     = "cause"      // why it failed or ended, a word of a client
	FieldAnswered  = "answered"   // from the offer to the answer
	FieldSetup     = "setup"      // until it was connected, as a client reports it
	FieldPath      = "path"       // host, srflx, prflx or relay
	FieldProtocol  = "protocol"   // udp, tcp or tls
	FieldOffers    = "offers"     // with those that renegotiated
	FieldRTT       = "rtt"        // median round-trip time
	FieldRTTWorst  = "rtt_worst"  // worst round-trip time
	FieldJitter    = "jitter"     // median
	FieldLoss      = "loss"       // median share of packets lost
	FieldLossWorst = "loss_worst" // worst share of packets lost
	FieldFreezes   = "freezes"    // of the video
)

// Why a membership, a connection or a call ended, in the field reason.
const (
	ReasonLeft = "left" // the member sent leave

	ReasonTakenOver    = "taken_over"      // a join with the same token's sub replaced the member
	ReasonSlow         = "slow_consumer"   // its queue overflowed, or was not read
	ReasonExpired      = "session_expired" // it was not resumed in time
	ReasonNoJoin       = "join_timeout"    // no join in time
	ReasonCloseTimeout = "close_timeout"   // the closing took too long
	ReasonKicked       = "kicked"          // by a moderator or the operator
	ReasonRoomEnded    = "room_closed"     // by the operator
	ReasonTokenExpired = "token_expired"   // its token expired
	ReasonDrain        = "drain"           // the server is going away
	ReasonClosed       = "closed"          // the client sent a close frame
	ReasonGoneAway     = "gone_away"       // the client, or a proxy for it, sent 1001
	ReasonLost         = "lost"            // the connection broke, or the server had closed it
	ReasonPingTimeout  = "ping_timeout"    // no sign of life after a ping
	ReasonRateLimit    = "rate_limit"      // over a limit for too long
	ReasonBadFrame     = "protocol_error"  // invalid WebSocket frames, or messages that the server does not accept
	ReasonPanic        = "panic"           // a callback of the embedding program panicked
	ReasonRefused      = "refused"         // a client of a dialect was refused, in its own protocol
	ReasonHangup       = "hangup"          // of a call: a member hung up
	ReasonNoAnswer     = "no_answer"       // of a call: nobody answered in time
)
