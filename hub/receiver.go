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
	// NewState says that room_members frames so far belong to a membership that
	// is over: none of them may be replaced any more.
	NewState()
	// Flush lets queued frames go: the batch of commands is over.
	Flush()
	// Close ends the connection with a close frame after what is queued; for
	// CloseSlowConsumer what is queued is dropped. Later sends are ignored.
	Close(code wire.CloseCode, reason string)
}
