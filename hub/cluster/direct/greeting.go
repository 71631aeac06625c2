package direct

import (
	"bytes"
	"encoding/json"
	"errors"
)

// greeting is what a node tells another of itself.
type greeting struct {
	Node      string   `json:"node"`
	Addresses []string `json:"addresses"` // host:port, to be tried in this order
	Key       []byte   `json:"key"`       // digest of its key
	Asks      bool     `json:"asks,omitempty"`
}

// greetingHead begins a packet that is a greeting. The packets of nodes begin with an
// incarnation, which is random.
var greetingHead = make([]byte, 8)

// maxAddresses is how many addresses of a node are tried.
const maxAddresses = 16

func (g greeting) packet() []byte {
	b, _ := json.Marshal(g) // can't fail
	return append(greetingHead[:len(greetingHead):len(greetingHead)], b...)
}

var errNoGreeting = errors.New("direct: no greeting of this version")

// parseGreeting reads a greeting; is tells whether a packet is one.
func parseGreeting(packet []byte) (g greeting, is bool, err error) {
	if !bytes.HasPrefix(packet, greetingHead) {
		return g, false, nil
	}
	if err := json.Unmarshal(packet[len(greetingHead):], &g); err != nil {
		return g, true, err
	}
	if g.Node == "" || len(g.Key) != len(digest{}) {
		return g, true, errNoGreeting
	}
	g.Addresses = g.Addresses[:min(len(g.Addresses), maxAddresses)]
	return g, true, nil
}
