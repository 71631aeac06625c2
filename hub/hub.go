package hub

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/wire"
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
	// Elsewhere returns the rooms of other nodes, which count for MaxRooms; nil: none.
	// It must not block.
	Elsewhere func() int
	Stats     *Stats         // to be counted in; nil: some of the hub's own
	Share     func(RoomMeta) // gets what of rooms other nodes should know, from the loop: it must not block; nil: nobody does
	Notify    func(Event)    // gets the same events, in order, from the loop: it must not block; nil: nobody does
}

// Hub takes commands for the loop. Its methods may be called from any goroutine
// but the loop.
type Hub struct {
	// Stats counts what the hub does.
	Stats *Stats

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
	if o.Stats == nil {
		o.Stats = new(Stats)
	}
	h := &Hub{
		Stats:    o.Stats,
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

// Counters returns what the hub counts in.
func (h *Hub) Counters() *Stats { return h.Stats }

// RefuseNow answers a message of a client without the loop, for those that must not
// reach it. It reports false if the client's queue is full.
func (h *Hub) RefuseNow(c *Client, r *wire.Refusal, m wire.Refused) bool {
	h.Stats.Refusals[r.Code].Add(1)
	return c.out.Send(wire.ErrorFrame(r, m))
}

// Acknowledged is told when a client has answered a ping. Its outbox knows already.
func (h *Hub) Acknowledged(*Client) {}

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

// Closed is closed when the loop has ended.
func (h *Hub) Closed() <-chan struct{} { return h.closed }

// Await waits for the word on a command that was given to h.
func Await[T any](h interface{ Closed() <-chan struct{} }, done <-chan T) (T, error) {
	return await(context.Background(), h.Closed(), done)
}

func await[T any](ctx context.Context, closed <-chan struct{}, done <-chan T) (none T, err error) {
	select {
	case word := <-done:
		return word, nil
	case <-closed:
		return none, ErrClosed
	case <-ctx.Done():
		return none, ctx.Err()
	}
}
