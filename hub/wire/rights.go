package wire

import "strings"

// Rights are what a member may do. Nodes of a cluster send them to each other:
// a right keeps its bit.
type Rights uint8

// The rights of the protocol.
const (
	MaySend     Rights = 1 << 0 // offer, answer, candidate, hangup
	MayMessage  Rights = 1 << 1 // message
	MayModerate Rights = 1 << 2 // kick, lock, unlock; and enter a locked room

	// DefaultRights are the rights of a member unless a token or the application says otherwise.
	DefaultRights = MaySend | MayMessage
)

// rightNames are the rights' names in tokens and on the wire.
var rightNames = [...]struct {
	right Rights
	name  string
}{
	{MaySend, "send"},
	{MayMessage, "message"},
	{MayModerate, "moderate"},
}

// ParseRights reads names of rights. Names that it does not know give no right.
func ParseRights(names []string) (r Rights) {
	for _, name := range names {
		for _, known := range rightNames {
			if name == known.name {
				r |= known.right
			}
		}
	}
	return r
}

// Names returns the names of the rights in r.
func (r Rights) Names() []string {
	names := []string{}
	for _, known := range rightNames {
		if r&known.right != 0 {
			names = append(names, known.name)
		}
	}
	return names
}

func (r Rights) String() string { return strings.Join(r.Names(), ",") }
