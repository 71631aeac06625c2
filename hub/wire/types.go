package wire

// Type says what a message is: the value of its "type" field. Nodes of a cluster
// send its number to each other, so a type keeps its number.
type Type uint8

// The types of the protocol. The table types has their meaning for the server.
const (
	TypeUnknown     Type = 0
	TypeJoin        Type = 1
	TypeLeave       Type = 2
	TypeOffer       Type = 3
	TypeAnswer      Type = 4
	TypeCandidate   Type = 5
	TypeHangup      Type = 6
	TypeMessage     Type = 7
	TypeRename      Type = 8
	TypePing        Type = 9
	TypeResume      Type = 10
	TypeICE         Type = 11
	TypeToken       Type = 12
	TypeKick        Type = 13
	TypeLock        Type = 14
	TypeUnlock      Type = 15
	TypeUpdate      Type = 16
	TypeJoined      Type = 17
	TypeRoomMembers Type = 18
	TypePong        Type = 19
	TypeResumed     Type = 20
	TypeError       Type = 21
	TypeReport      Type = 22
	TypeRoomChanges Type = 23

	// NumTypes is one more than the highest type, for tables indexed by Type.
	NumTypes = 24
)

// types has the one entry for each type; its names are those on the wire.
var types = [NumTypes]struct {
	name      string
	client    bool   // a client may send it; any other type is answered with unknown_type
	forwarded bool   // to other members
	required  Field  // fields that a message of this type must have
	needs     Rights // to send it
}{
	TypeUnknown:   {name: "unknown"},
	TypeJoin:      {name: "join", client: true, required: FieldRoom},
	TypeLeave:     {name: "leave", client: true},
	TypeOffer:     {name: "offer", client: true, forwarded: true, required: FieldTo | FieldSDP, needs: MaySend},
	TypeAnswer:    {name: "answer", client: true, forwarded: true, required: FieldTo | FieldSDP, needs: MaySend},
	TypeCandidate: {name: "candidate", client: true, forwarded: true, required: FieldTo | FieldCandidate, needs: MaySend},
	TypeHangup:    {name: "hangup", client: true, forwarded: true, required: FieldTo, needs: MaySend},
	TypeMessage:   {name: "message", client: true, forwarded: true, required: FieldData, needs: MayMessage},
	TypeRename:    {name: "rename", client: true, required: FieldName},
	TypePing:      {name: "ping", client: true},
	TypeResume:    {name: "resume", client: true, required: FieldSession | FieldReceived},
	TypeICE:       {name: "ice", client: true},
	TypeToken:     {name: "token", client: true, required: FieldToken},
	TypeKick:      {name: "kick", client: true, required: FieldTo, needs: MayModerate},
	TypeLock:      {name: "lock", client: true, needs: MayModerate},
	TypeUnlock:    {name: "unlock", client: true, needs: MayModerate},
	TypeUpdate:    {name: "update", client: true, required: FieldMeta},
	TypeReport:    {name: "report", client: true, required: FieldTo | FieldData},

	TypeJoined:      {name: "joined"},
	TypeRoomMembers: {name: "room_members"},
	TypeRoomChanges: {name: "room_changes"},
	TypePong:        {name: "pong"},
	TypeResumed:     {name: "resumed"},
	TypeError:       {name: "error"},
}

// String returns the type as it stands on the wire, or "unknown".
func (t Type) String() string { return types[t].name }

// Forwarded reports whether a message of this type is passed on to other
// members.
func (t Type) Forwarded() bool { return types[t].forwarded }

// InCalls reports whether a message of this type begins, answers or ends a call.
func (t Type) InCalls() bool { return t == TypeOffer || t == TypeAnswer || t == TypeHangup }

// Needs returns the right that it takes to send a message of this type; 0: none.
func (t Type) Needs() Rights { return types[t].needs }

// clientTypes finds the types that a client may send, serverTypes all of them.
var clientTypes, serverTypes = func() (client, server nameTable) {
	for t, info := range types {
		if info.client {
			client.add(info.name, uint32(t))
		}
		if Type(t) != TypeUnknown {
			server.add(info.name, uint32(t))
		}
	}
	return client, server
}()

// ClientType finds the type that a client may send under this name; TypeUnknown if
// there is none.
func ClientType[T ~string | ~[]byte](name T) Type {
	return Type(find(&clientTypes, name))
}
