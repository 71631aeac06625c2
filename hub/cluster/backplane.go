package cluster

import (
	"context"
	"errors"
)

// Backplane is what nodes reach each other by, and a register that they agree on:
// a map of keys whose entries are changed one at a time, each with a revision.
type Backplane interface {
	// Start begins: receive gets packets that were sent to this node, and must not keep their memory;
	// changed gets what the register has, all entries that there are first, and then
	// every change, some of them more than once; renewed is called when the register has
	// been made anew and what changed has got before does not hold any more. Several
	// goroutines may call receive. None must be held up for long.
	Start(receive func(packet []byte), changed func(Entry), renewed func()) error
	// Send passes a packet to a node. It may come late, twice, or not at all, and
	// overtake others. It keeps nothing of packet.
	Send(node string, packet []byte)
	// Put writes an entry whose revision is known, 0 for a key that is not there,
	// and returns the new revision. The error is [ErrConflict] if it has another,
	// and something else if that can't be said now.
	Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	// Close ends it: nothing more is called.
	Close()
}

// Entry is what the register has under a key. Revisions grow with every change of
// any entry.
type Entry struct {
	Key      string
	Value    []byte
	Revision uint64
}

// ErrConflict says that an entry has another revision than was thought.
var ErrConflict = errors.New("cluster: the entry has been changed")
