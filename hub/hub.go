package hub

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"
)

// ErrClosed is returned for commands to a hub that has been closed.
var ErrClosed = errors.New("hub: closed")

// Options are the limits of a hub. The zero value has none.
type Options struct {
	MaxRooms       int           // rooms at one time; 0: no limit
	MaxRoomMembers int           // members of one room; 0: no limit
	ResumeWindow   time.Duration // time that a lost connection's membership stays, if it is resumable
	KickBan        time.Duration // time that who was kicked may not join the room again under the same id
	Logger         *zap.Logger   // events of rooms and members; nil: none. Its core must not block.
	Notify         func(Event)   // gets the same events, in order, from the loop: it must not block; nil: nobody does
}

// Hub takes commands for the loop. Its methods may be called from any goroutine
// but the loop.
type Hub struct {
	// Stats counts what the hub does.
	Stats Stats

	options  Options
	commands chan Command
	drained  chan struct{} // closed by the loop: draining, and every client is gone
	closing  chan struct{} // closed by Close
	closed   chan struct{} // closed by the loop when it ends
}

// commandQueue is how many commands may wait for the loop before those who send
// them wait too: enough for a batch while the one before it is at work.
const commandQueue = 1024

// New starts a hub's loop. Close ends it.
func New(o Options) *Hub {
	h := &Hub{
		options:  o,
		commands: make(chan Command, commandQueue),
		drained:  make(chan struct{}),
		closing:  make(chan struct{}),
		closed:   make(chan struct{}),
	}
	go newLoop(h, o).run()
	return h
}

// Command is something for the loop to do. The types that implement it are those
// of this package.
type Command interface {
	// apply is called by the loop and must not block.
	apply(l *loop)
}

// Resumes reports whether memberships can be resumable.
func (h *Hub) Resumes() bool { return h.options.ResumeWindow > 0 }

// Do hands a command to the loop, and waits while the loop is behind. Commands
// from one goroutine are applied in the order of their calls. The error is nil
// or [ErrClosed].
func (h *Hub) Do(c Command) error {
	select {
	case h.commands <- c:
		return nil
	default:
	}
	select {
	case h.commands <- c:
		return nil
	case <-h.closing:
		return ErrClosed
	}
}

// Drain closes every client with 1001, also those that are registered later, and
// returns when all are gone or ctx is done.
func (h *Hub) Drain(ctx context.Context) error {
	if err := h.Do(drain{}); err != nil {
		return err
	}
	select {
	case <-h.drained:
		return nil
	case <-h.closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends the loop and waits for its end. Clients should be gone by then:
// those that are not hear nothing more. It must be called once.
func (h *Hub) Close() {
	close(h.closing)
	<-h.closed
}

// Await waits for the word on a [Join] or a [Resume].
func Await[T any](h *Hub, done <-chan T) (T, error) {
	select {
	case word := <-done:
		return word, nil
	case <-h.closed:
		var none T
		return none, ErrClosed
	}
}
