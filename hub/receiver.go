package hub

import "github.com/parley-rtc/parley/hub/wire"

// Receiver is where the hub delivers what one client is to get: an [Outbox] for
// a connection of this process. The loop calls it and must not be held up: no
// method may block. A frame that is passed in comes with a reference that the
// receiver gives back, also when it refuses the frame.
type Receiver interface {
	// Send queues a frame. It reports false when the queue is full; then the
	// frame is not queued, and the hub closes the client.
	Send(f *wire.Frame) bool
	// SendState queues a room_members frame, in the place of one that is still
	// waiting where the order of messages allows it. inPlace says that it may
	// take that place even though other frames were queued behind it: nobody who
	// may have sent them is missing in f.
	SendState(f *wire.Frame, inPlace bool) bool
	// Begin says that a membership begins or ends with the next frame. Those of
	// room_members so far may not be replaced any more. For a resumable membership
	// what is sent is kept until the client is known to have it.
	Begin(resumable bool)
	// Missed returns what was sent or queued beyond the first received messages of
	// a resumable membership, with a reference to each for the caller. It reports
	// false if they are not all there any more, or never were.
	Missed(received uint64) ([]*wire.Frame, bool)
	// Adopt begins a membership that goes on after so many received messages, with
	// frames, the references to which it takes.
	Adopt(received uint64, frames []*wire.Frame)
	// Suspend says that the connection was lost: what is sent is kept.
	Suspend()
	// Discard says that nothing more is wanted: all is given back, and so is what
	// comes.
	Discard()
	// Congested reports that the way to the client takes nothing at the moment,
	// through no fault of its own: what is to be forwarded to it is refused.
	Congested() bool
	// Backlog is how many bytes wait.
	Backlog() int
	// Flush lets queued frames go: the batch of commands is over.
	Flush()
	// Close ends the connection with a close frame after what is queued; for
	// CloseSlowConsumer what is queued is dropped. Later sends are ignored.
	Close(code wire.CloseCode, reason string)
}
