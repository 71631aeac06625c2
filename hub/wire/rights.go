package wire

import "strings"

// Rights are what a member may do.
type Rights uint8

// The rights of the protocol.
const (
	MaySend     Rights = 1 << iota // offer, answer, candidate, hangup
	MayMessage                     // message
	MayModerate                    // kick, lock, unlock; and enter a locked room

	// DefaultRights are those of a member that nothing else is said about.
	DefaultRights = MaySend | MayMessage
)

var rightNames = [...]string{"send", "message", "moderate"}

// ParseRights reads names of rights. Names that it does not know give no right.
func ParseRights(names []string) (r Rights) {
	for _, name := range names {
		for i, known := range rightNames {
			if name == known {
				r |= 1 << i
			}
		}
	}
	return r
}

// Names returns the names of the rights in r.
func (r Rights) Names() []string {
	names := []string{}
	for i, name := range rightNames {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

func (r Rights) String() string { return strings.Join(r.Names(), ",") }

// Needs returns the right that it takes to have a message of this type forwarded.
func (t Type) Needs() Rights {
	if t == TypeMessage {
		return MayMessage
	}
	return MaySend
}
