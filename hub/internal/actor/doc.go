// Package actor is the loop behind package hub, which owns all rooms.
//
// One goroutine, the loop, takes commands ([Join], [Leave], [Forward] and the
// others, each in a file of its own) from a channel and applies them in batches.
// It alone touches the rooms, so membership, broadcast and forwarding happen in
// one order without a lock. It answers by appending frames to the [Receiver] of
// each client, for a local connection its [Outbox], and never does anything that
// can block: no I/O, and no send that waits.
//
// Messages to all members of a large room go out in slices, see rounds.go.
//
// A client hears of a room's members before it gets the first message from one
// of them, a message is either queued for its receiver or refused to its sender,
// and a receiver that reads too slowly for its queue is closed and leaves.
package actor
