package cluster

// The wire versions that this node speaks: of packets, records, and the register's entries.
// Nodes whose ranges overlap work together, with the newest that both speak.
const (
	wireMin = 1
	wireMax = 3

	// wireTurns is the first version in which memberships have turns, and those without a
	// connection the time that is left to them.
	wireTurns = 2

	// wireAsked is the first version in which owners ask when a client asked for a place.
	wireAsked = 3
)

// nodeEntry is what the register has of a node.
type nodeEntry struct {
	Incarnation uint64   `json:"incarnation"`
	State       string   `json:"state"` // up, resting, draining, gone
	Beat        uint64   `json:"beat"`  // makes every renewal a change
	Rooms       int64    `json:"rooms"` // that it owns
	Min         int      `json:"min"`   // wire versions that it speaks
	Max         int      `json:"max"`
	Stuck       []string `json:"stuck,omitempty"` // nodes that it does not reach
}

// speaks reports whether a node whose newest version is max and that of the entry have a
// version in common.
func (e *nodeEntry) speaks(max int) bool { return e.Min <= max && e.Max >= wireMin }

func nodeKey(name string) string { return "node." + name }

// comingKey is where a process writes that it has come and found its name held.
func comingKey(name string) string { return "coming." + name }

// partEntry is what the register has of a partition.
type partEntry struct {
	Node        string `json:"node"`
	Incarnation uint64 `json:"incarnation"`
	Epoch       uint64 `json:"epoch"`
}
