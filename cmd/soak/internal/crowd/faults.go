package crowd

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Kinds of faults.
const (
	Lost         = "lost"            // a message never came
	Repeated     = "repeated"        // a message came more than once
	Disorder     = "out of order"    // a message came after a later one of the same pair
	Delayed      = "delayed"         // a message took longer than --late
	Altered      = "altered"         // a message came changed
	Reencoded    = "reencoded"       // a message means the same, but its bytes have changed
	Misdelivered = "misdelivered"    // a message came to the wrong member or room
	Forged       = "forged sender"   // a message came under another's name
	Invented     = "invented"        // a message that nobody sent
	Stranger     = "stranger"        // a message of somebody whom the receiver had not been told of
	Untimely     = "too early"       // something of the room came before the member was in, or had resumed
	Membership   = "membership"      // a member was told wrongly who is in the room
	Flap         = "flap"            // a member was told that another has left, and it had not
	Unanswered   = "unanswered"      // a ping, or a message that had to be refused, got no answer
	Miscounted   = "miscounted"      // "missed" or "handled" is not what happened
	Refused      = "refused"         // an error that nothing explains
	Broken       = "connection lost" // the server closed a connection, or it broke for good
	SessionLost  = "session lost"    // a membership that could not be taken up again
	NotJoined    = "not joined"
	NotSent      = "not sent" // the server reads no more
	Garbage      = "not JSON"
	CallFailed   = "call failed" // a real peer connection did not come up
)

// examplesKept is how many faults of a kind are told in full.
const examplesKept = 10

// Fault is one deviation from what the server promises.
type Fault struct {
	At      time.Duration `json:"-"` // since the run began
	Message string        `json:"message,omitempty"`
	From    string        `json:"from,omitempty"`
	To      string        `json:"to,omitempty"`
	Text    string        `json:"text"`
}

// Faults counts them. It may be used by several goroutines.
type Faults struct {
	mu    sync.Mutex // guards kinds
	kinds map[string]*FaultKind
}

// FaultKind is the faults of one kind.
type FaultKind struct {
	Kind     string
	Count    int
	Examples []Fault
}

// Add counts a fault of a kind.
func (f *Faults) Add(kind string, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kinds == nil {
		f.kinds = map[string]*FaultKind{}
	}
	k := f.kinds[kind]
	if k == nil {
		k = &FaultKind{Kind: kind}
		f.kinds[kind] = k
	}
	k.Count++
	if len(k.Examples) < examplesKept {
		k.Examples = append(k.Examples, fault)
	}
}

// Total returns how many there are.
func (f *Faults) Total() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range f.kinds {
		n += k.Count
	}
	return n
}

// Kinds returns all of them, the most frequent kind first.
func (f *Faults) Kinds() (list []FaultKind) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range f.kinds {
		list = append(list, FaultKind{k.Kind, k.Count, slices.Clone(k.Examples)})
	}
	slices.SortFunc(list, func(a, b FaultKind) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Kind, b.Kind))
	})
	return list
}

// String tells a fault in a line.
func (f *Fault) String() string {
	s := fmt.Sprintf("%9.3f s  ", f.At.Seconds())
	if f.Message != "" {
		s += f.Message
		if f.From != "" || f.To != "" {
			s += " " + f.From + " → " + f.To
		}
		s += ": "
	}
	return s + f.Text
}
