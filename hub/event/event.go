package event

import "time"

// Kind says what happened to a room, a member or a call.
type Kind int

// The kinds of an [Event].
const (
	OpenedRoom Kind = iota
	ClosedRoom
	MemberJoined
	MemberLeft
	MemberKicked
	CallStarted
	CallAnswered
	CallEnded
)

// Event is something that happened to a room, a member or a call. Fields that its kind does not
// have are zero.
type Event struct {
	Kind     Kind
	Time     time.Time
	Room     string
	ID, Name string        // the member's id and nickname; Name may be empty
	Members  int           // members of the room after the event, of MemberJoined and MemberLeft
	Reason   string        // why the membership ended: one of the reasons of this package
	By       string        // the moderator's id, of MemberKicked; empty: the operator kicked the member
	Duration time.Duration // of the membership, of MemberLeft; of the room, of ClosedRoom
	Call     *Call         // of CallStarted, CallAnswered and CallEnded, without its story; it must not be changed
}

var kindNames = [...]string{
	"room opened", "room closed", "member joined", "member left", "member kicked",
	"call started", "call answered", "call ended",
}

// String names the kind in words.
func (k Kind) String() string { return kindNames[k] }
