package event

import "time"

// Kind says what happened to a room or a member.
type Kind int

// The kinds of an [Event].
const (
	OpenedRoom Kind = iota
	ClosedRoom
	MemberJoined
	MemberLeft
	MemberKicked
)

// Event is something that happened to a room or a member. Fields that its kind does not
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
}

var kindNames = [...]string{"room opened", "room closed", "member joined", "member left", "member kicked"}

// String names the kind in words.
func (k Kind) String() string { return kindNames[k] }
