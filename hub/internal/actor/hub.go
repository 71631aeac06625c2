package actor

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/stats"
	"go.uber.org/zap"
)

// ErrClosed is returned for commands to a hub that has been closed.
var ErrClosed = errors.New("hub: closed")

// Limits are the limits of a hub that may change while it runs. The zero value has none.
type Limits struct {
	MaxRooms       int           // rooms at one time; 0: no limit
	MaxRoomMembers int           // members of one room; 0: no limit
	ResumeWindow   time.Duration // how long a resumable membership outlives its connection; 0: none is resumable
	KickBan        time.Duration // how long a kicked member is banned from the room

	// FanOut bounds the copies that one connection makes the hub send, in bytes of
	// memory a second, FanOutBurst at once: see fanout.go. 0: no limit.
	FanOut, FanOutBurst int
}

// Options are the settings of a hub. The zero value has no limits.
type Options struct {
	MaxRooms       int           // as in Limits, if Current is nil
	MaxRoomMembers int           // likewise
	ResumeWindow   time.Duration // likewise
	KickBan        time.Duration // likewise

	// Current has the limits of now. Hubs that share it change together. Nil: the hub has
	// those above.
	Current *atomic.Pointer[Limits]

	FanOut, FanOutBurst int // likewise

	TrackCalls bool // follow calls, see calls.go

	Logger *zap.Logger // events of rooms and members; nil: none. Its core must not block.
	Stats  *stats.Hub  // to count in; nil: the hub's own
	// The loop calls these. They must neither block nor panic. Nil: nobody is called.
	Elsewhere func() int        // returns the number of other nodes' rooms, which count for MaxRooms
	TellNodes func(RoomMeta)    // is given what other nodes must know of a room
	Notify    func(event.Event) // is given what happens to rooms and members, in order
	// Moved is given a membership of a local client whose room has moved to another hub, and
	// what is known of that room; Returned the commands for which that client, or a room that
	// a local client wants to enter, is not here. See local.go. Nil: no client is local.
	Moved    func(Membership, RoomMeta)
	Returned func(Command)
	// PartitionOf returns the partition of a room, and QueueBytes bounds what is kept for a
	// local client that was detached. They are needed where clients are local.
	PartitionOf func(room string) int
	QueueBytes  int
	// Taken tells the node of a connection that the place that this asks for was given to
	// another so long ago, with this turn. The node has it ask again, with Asked.After, or
	// refuses it. False: the node can't be told. Nil: none can.
	Taken func(at Receiver, turn Turn, ago time.Duration) bool
	// Arrived calls then, on any goroutine, when all that was sent to other nodes has arrived
	// there, or they are gone. It reports false, and calls nobody, if it has. Nil: there are no
	// other nodes.
	Arrived func(then func()) bool
}

// Hub takes commands for the loop. Its methods run on any goroutine but the
// loop's.
type Hub struct {
	// Stats counts what the hub does.
	Stats *stats.Hub

	options  Options // with Current set
	commands chan Command
	drained  chan struct{} // closed by the loop: draining, and every client is gone
	closing  chan struct{} // closed by Close
	closed   chan struct{} // closed by the loop when it ends
	close    sync.Once
	entering sync.RWMutex // held by those who hand over a Register; see run
}

// commandQueue is how many commands may wait for the loop before those who send
// them wait too: enough for a batch while the one before it is at work.
const commandQueue = 1024

// New starts a hub's loop. Close ends it.
func New(o Options) *Hub {
	if o.Stats == nil {
		o.Stats = new(stats.Hub)
	}
	o.setCurrent()
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

// setCurrent sets Current from the limits above if it is nil.
func (o *Options) setCurrent() {
	if o.Current == nil {
		o.Current = new(atomic.Pointer[Limits])
		o.Current.Store(&Limits{o.MaxRooms, o.MaxRoomMembers, o.ResumeWindow, o.KickBan, o.FanOut, o.FanOutBurst})
	}
}

// Command is something for the loop to do. The types that implement it are those
// of this package.
type Command interface {
	// apply is called by the loop and must not block.
	apply(l *loop)
}

// Resumes reports whether memberships can be resumable.
func (h *Hub) Resumes() bool { return h.options.Current.Load().ResumeWindow > 0 }

// Counters returns what the hub counts in.
func (h *Hub) Counters() *stats.Hub { return h.Stats }

// Acknowledged is told when a client has answered a ping. Its outbox knows already.
func (h *Hub) Acknowledged(*Client) {}

// Do hands a command to the loop, and waits while the loop is behind. Commands
// from one goroutine are applied in the order of their calls. The error is nil or
// [ErrClosed]. A command that is handed over while the hub closes may not be
// applied, but a client that is registered then is aborted.
func (h *Hub) Do(c Command) error {
	if _, ok := c.(Register); ok {
		h.entering.RLock()
		defer h.entering.RUnlock()
	}
	select {
	case <-h.closing:
		return ErrClosed
	default:
	}
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
// returns when all are gone or ctx is done. If ctx has a deadline, the closes are spread
// over at most half of the time until then. It may be called more than once.
func (h *Hub) Drain(ctx context.Context) error {
	if err := h.thin(ctx); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
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

// Close ends all connections without a close frame and the loop, and waits for its
// end. It may be called more than once.
func (h *Hub) Close() {
	h.close.Do(func() { close(h.closing) })
	<-h.closed
}

// Closed is closed when the loop has ended.
func (h *Hub) Closed() <-chan struct{} { return h.closed }

// Give puts the one result of a command where somebody may wait for it. It never
// waits: a channel that is nil or full gets nothing.
func Give[T any](done chan<- T, word T) {
	select {
	case done <- word:
	default:
	}
}

// Await waits for the result of a command that was given to h. The error says that
// the outcome is not known.
func Await[T any](ctx context.Context, h interface{ Closed() <-chan struct{} }, done <-chan T) (none T, err error) {
	select {
	case word := <-done:
		return word, nil
	case <-h.Closed():
		return none, ErrClosed
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// Core is what stands behind the public hub: a [Hub] in a single daemon, or a node of
// a cluster.
type Core interface {
	// Do takes a command of a connection.
	Do(Command) error
	// Acknowledged is told when a client has answered a ping.
	Acknowledged(*Client)
	// NewSession makes a session for a room.
	NewSession(room string) string
	// Resumes reports whether memberships can be resumable.
	Resumes() bool

	Rooms(context.Context) ([]RoomInfo, error)
	Room(ctx context.Context, name string) (*RoomDetail, error)
	Count(ctx context.Context, room string, meta []byte) (Counted, error)
	Clients(context.Context) ([]ClientInfo, error)
	Calls(context.Context) ([]event.Call, error)
	Call(ctx context.Context, id string) (*event.Call, error)
	CarryOut(context.Context, Ordered) error

	Drain(context.Context) error
	Close()
	Closed() <-chan struct{}
}
