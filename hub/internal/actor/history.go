package actor

import (
	"bytes"

	"github.com/parley-rtc/parley/hub/internal/frame"
)

// history is what an outbox keeps of what it has written, for a membership that
// may be resumed: a frame that was written need not have arrived. A pong says that
// all has arrived that was written before its ping; that much is given back.
type history struct {
	kept  bool           // the membership is resumable
	start uint64         // number of the membership's first frame
	had   uint64         // messages that the client has and that are not kept any more
	sent  []*frame.Frame // written after those
	bytes int            // of sent

	probed bool   // a ping was asked for
	pinged uint64 // messages that were written before the last ping was
	acked  uint64 // messages that the client is known to have; had may be more, for want of room
}

// probeBytes is how much may be kept before the client is asked whether it has
// it: much less than an outbox, much more than what a call's set-up takes.
const probeBytes = 32 << 10

// begin gives all back and begins anew, with the frame of this number, for a client
// that has had so many messages.
func (h *history) begin(kept bool, start, had uint64) {
	for _, f := range h.sent {
		f.Release()
	}
	*h = history{kept: kept, start: start, had: had, pinged: had, acked: had}
}

// add takes a frame that was written, and the reference to it.
func (h *history) add(f *frame.Frame, number uint64) {
	switch {
	case h.kept && h.counts(f, number):
		h.sent = append(h.sent, f)
		h.bytes += f.Cost()
		return
	case f.IsPing():
		h.pinged = h.had + uint64(len(h.sent))
	}
	f.Release()
}

// counts reports whether the frame with this number is a message of the membership.
func (h *history) counts(f *frame.Frame, number uint64) bool {
	return f.IsMessage() && number >= h.start
}

// count returns the number of the membership's messages, the waiting ones included.
func (h *history) count(waiting []entry, first uint64) uint64 {
	n := h.had + uint64(len(h.sent))
	for i, e := range waiting {
		if h.counts(e.Frame, first+uint64(i)) {
			n++
		}
	}
	return n
}

// shrink gives back the oldest frames until no more than limit bytes are kept.
func (h *history) shrink(limit int) {
	n := 0
	for ; n < len(h.sent) && h.bytes > limit; n++ {
		h.forget(n)
	}
	h.sent = h.sent[n:]
}

func (h *history) forget(i int) {
	f := h.sent[i]
	h.sent[i] = nil
	h.bytes -= f.Cost()
	h.had++
	f.Release()
}

// acknowledged gives back what was written before the last ping.
func (h *history) acknowledged() {
	h.probed, h.acked = false, max(h.acked, h.pinged)
	n := 0
	for ; n < len(h.sent) && h.had < h.pinged; n++ {
		h.forget(n)
	}
	if h.sent = h.sent[n:]; len(h.sent) == 0 {
		h.sent = nil
	}
}

// takeProbe reports, once, that enough is kept to ask the client.
func (h *history) takeProbe() bool {
	if h.probed || h.bytes < probeBytes {
		return false
	}
	h.probed = true
	return true
}

// resumedPrefix begins the messages that tell of a resume: they are not missed.
var resumedPrefix = []byte(`{"type":"resumed"`)

// missed returns all messages beyond the first received ones, kept or waiting, of
// which the first waiting frame has a number, with a reference to each. ok is false
// if the membership is not resumable or that many are not known of.
func (h *history) missed(received uint64, waiting []entry, first uint64) (frames []*frame.Frame, ok bool) {
	all := append([]*frame.Frame(nil), h.sent...)
	for i, e := range waiting {
		if h.counts(e.Frame, first+uint64(i)) {
			all = append(all, e.Frame)
		}
	}
	if !h.kept || received < h.had || received > h.had+uint64(len(all)) {
		return nil, false
	}
	all = all[received-h.had:]
	for _, f := range all {
		f.Retain(1)
	}
	return all, true
}

// withoutResumed returns the frames that are missed, of those that a client has not
// had: all but those that told of a resume, which are given back.
func withoutResumed(frames []*frame.Frame) (missed []*frame.Frame) {
	for _, f := range frames {
		if bytes.HasPrefix(f.Payload(), resumedPrefix) {
			f.Release()
		} else {
			missed = append(missed, f)
		}
	}
	return missed
}
