package wire

// Type says what a message is: the value of its "type" field.
type Type uint8

// The types that a client sends come first; those that only the server sends
// follow. A client that sends one of the latter is answered with unknown_type.
const (
	TypeUnknown Type = iota
	TypeJoin
	TypeLeave
	TypeOffer
	TypeAnswer
	TypeCandidate
	TypeHangup
	TypeMessage
	TypeRename
	TypePing
	TypeResume
	TypeICE
	TypeToken
	TypeKick
	TypeLock
	TypeUnlock
	TypeUpdate

	TypeJoined
	TypeRoomMembers
	TypePong
	TypeResumed
	TypeError

	// NumTypes is the number of types, for tables indexed by Type.
	NumTypes = int(iota)
)

var typeNames = [NumTypes]string{
	"unknown", "join", "leave", "offer", "answer", "candidate", "hangup", "message", "rename",
	"ping", "resume", "ice", "token", "kick", "lock", "unlock", "update",
	"joined", "room_members", "pong", "resumed", "error",
}

// String returns the type as it stands on the wire, or "unknown".
func (t Type) String() string { return typeNames[t] }

// Forwarded reports whether a message of this type is passed on to other
// members.
func (t Type) Forwarded() bool { return t >= TypeOffer && t <= TypeMessage }

// ClientType finds the type that a client may send under this name; Unknown if
// there is none.
func ClientType[T ~string | ~[]byte](name T) Type {
	switch string(name) {
	case "offer":
		return TypeOffer
	case "answer":
		return TypeAnswer
	case "candidate":
		return TypeCandidate
	case "message":
		return TypeMessage
	case "hangup":
		return TypeHangup
	case "join":
		return TypeJoin
	case "leave":
		return TypeLeave
	case "rename":
		return TypeRename
	case "ping":
		return TypePing
	case "resume":
		return TypeResume
	case "ice":
		return TypeICE
	case "token":
		return TypeToken
	case "kick":
		return TypeKick
	case "lock":
		return TypeLock
	case "unlock":
		return TypeUnlock
	case "update":
		return TypeUpdate
	}
	return TypeUnknown
}
