package wire

// Type says what a message is: the value of its "type" field.
type Type uint8

// The types that a client sends come first; those that only the server sends
// follow. A client that sends one of the latter is answered with unknown_type.
const (
	Unknown Type = iota
	Join
	Leave
	Offer
	Answer
	Candidate
	Hangup
	Message
	Rename
	Ping
	Resume
	ICE
	Token
	Kick
	Lock
	Unlock

	Joined
	RoomMembers
	Pong
	Resumed
	Error

	// NumTypes is the number of types, for tables indexed by Type.
	NumTypes = int(iota)
)

var typeNames = [NumTypes]string{
	"unknown", "join", "leave", "offer", "answer", "candidate", "hangup", "message", "rename",
	"ping", "resume", "ice", "token", "kick", "lock", "unlock",
	"joined", "room_members", "pong", "resumed", "error",
}

// String returns the type as it stands on the wire, or "unknown".
func (t Type) String() string { return typeNames[t] }

// Forwarded reports whether a message of this type is passed on to other
// members.
func (t Type) Forwarded() bool { return t >= Offer && t <= Message }

// ClientType finds the type that a client may send under this name; Unknown if
// there is none.
func ClientType[T ~string | ~[]byte](name T) Type {
	switch string(name) {
	case "offer":
		return Offer
	case "answer":
		return Answer
	case "candidate":
		return Candidate
	case "message":
		return Message
	case "hangup":
		return Hangup
	case "join":
		return Join
	case "leave":
		return Leave
	case "rename":
		return Rename
	case "ping":
		return Ping
	case "resume":
		return Resume
	case "ice":
		return ICE
	case "token":
		return Token
	case "kick":
		return Kick
	case "lock":
		return Lock
	case "unlock":
		return Unlock
	}
	return Unknown
}
