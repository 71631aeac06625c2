package actor

import (
	"time"

	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// Receiver is where the hub delivers what one client is to get: an [Outbox] for
// a connection of this process. The loop calls it and must not be held up: no
// method may block. A frame that is passed in comes with a reference that the
// receiver gives back, also when it refuses the frame.
type Receiver interface {
	// Send queues a frame that a sender has caused, see [Client]; with the mark shared
	// in from it goes to a whole room. It reports false when the queue is full; then
	// the frame is not queued, and the hub closes the client.
	Send(f *frame.Frame, from uint64) bool
	// SendList queues what the client is to know of its room, or has it take the place of
	// a list or of changes that still wait. It reports false if it was held back, which
	// what is needed never is.
	SendList(l List) bool
	// Verdict says whether a sender may queue about n more bytes, of what goes to this
	// receiver alone or to the whole room.
	Verdict(from uint64, n int, toAll bool) Verdict
	// Overdrawn reports whether more than the limit waits of what went to whole rooms,
	// for a connection that there is.
	Overdrawn() bool
	// Mark returns how far the queue will be when what waits, or as much of it as the
	// limit, is written. Behind reports whether a connection is not that far.
	Mark() uint64
	Behind(mark uint64) bool
	// Reset says that a membership begins or ends with the next frame. Lists so far
	// may not be replaced any more. For a resumable membership what is sent is kept
	// until the client is known to have it. turn is that of a membership that begins.
	Reset(resumable bool, turn Turn)
	// Missed returns all that was sent or queued beyond the first received messages of
	// a resumable membership, with a reference to each for the caller. It reports
	// false if they are not all there any more, or never were.
	Missed(received uint64) ([]*frame.Frame, bool)
	// Seen returns what Membership.Seen is, for the caller.
	Seen() map[uint64]uint64
	// Sent returns how many messages of a resumable membership were sent or queued.
	Sent() uint64
	// Acked returns how many of those the client is known to have.
	Acked() uint64
	// Adopt begins the membership m, which goes on after so many received messages, with
	// frames, the references to which it takes.
	Adopt(m *Membership, received uint64, frames []*frame.Frame)
	// Suspend says that the connection was lost: what is sent is kept.
	Suspend()
	// Discard says that nothing more is wanted: all is given back, and so is what
	// comes.
	Discard()
	// Backlog is how much waits, in bytes of memory.
	Backlog() int
	// Challenge asks for a sign of life within a time.
	Challenge(within time.Duration)
	// Flush lets queued frames go: the batch of commands is over.
	Flush()
	// FlushLater is Flush for frames that went to many: others may have their turn before.
	FlushLater()
	// Close ends the connection with a close frame after what is queued; for
	// CloseSlowConsumer and CloseReplaced what is queued is dropped. Later sends are
	// ignored.
	Close(code wire.CloseCode, reason string)
	// Abort ends the connection at once.
	Abort()
}

// List says how what a client is to know of its room may be queued: a whole list, or
// changes since the last one.
type List struct {
	Of    Lister
	Since uint64 // the version that the client knows; 0: none, or it takes whole lists only
	// First says that the member has had no list of this room yet, as its owner knows: what
	// waits is of the owner before, and stays as it is.
	First bool
	// InPlace says that the list may replace a waiting one even though other frames
	// were queued behind that: see rule 4 in membership.go.
	InPlace bool
	// Needed says that a message of the sender For follows, whom the client has not
	// heard of yet. The list counts as that sender's.
	Needed bool
	ToAll  bool // the message goes to the whole room
	For    uint64
}

// Verdict is what a receiver says to a message before it is sent.
type Verdict int

// The verdicts of a [Receiver].
const (
	Open        Verdict = iota // the message may be sent
	Congested                  // the sender's share of the queue is used up
	Unreachable                // the way to the client takes nothing now
)
