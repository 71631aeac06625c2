package cluster

import (
	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
)

// kept is the messages of a resumable membership that its client is not known to have.
// Messages are numbered from 1, which is joined.
type kept struct {
	had    uint64 // messages before those
	frames []*frame.Frame
	bytes  int
}

// last returns the number of the last message.
func (k *kept) last() uint64 { return k.had + uint64(len(k.frames)) }

// add appends a message, and takes over the caller's reference.
func (k *kept) add(f *frame.Frame) {
	k.frames = append(k.frames, f)
	k.bytes += f.Size()
}

// forget gives the first message back.
func (k *kept) forget() {
	k.bytes -= k.frames[0].Size()
	k.frames[0].Release()
	k.frames[0] = nil
	k.frames = k.frames[1:]
	k.had++
}

// begin gives all back, and begins with what is known to be kept already.
func (k *kept) begin(had uint64, frames []*frame.Frame) {
	for _, f := range k.frames {
		f.Release()
	}
	*k = kept{had: had}
	for _, f := range frames {
		k.add(f)
	}
}

// keptOf returns what is kept for a membership without a connection, with a reference to
// each. The hub has let go of it.
func keptOf(out actor.Receiver) (had uint64, frames []*frame.Frame) {
	if o, ok := out.(*actor.Outbox); ok {
		return o.Kept()
	}
	k := &out.(*remote).kept
	frames, _ = k.beyond(k.had)
	return k.had, frames
}

// beyond returns the messages after the first received ones, with a reference to each.
// It reports false if they are not all there any more, or never were.
func (k *kept) beyond(received uint64) ([]*frame.Frame, bool) {
	if received < k.had || received > k.last() {
		return nil, false
	}
	frames := append([]*frame.Frame(nil), k.frames[received-k.had:]...)
	for _, f := range frames {
		f.Retain(1)
	}
	return frames, true
}
