package crowd

import (
	"maps"
	"slices"
)

// flow accounts for the messages of one sender to one receiver, which are numbered
// from 0. Owned by the worker of the room, as all here.
type flow struct {
	sent uint32 // so many have been sent
	next uint32 // the number that is to come next
	odd  *odd   // nil: nothing has been out of the ordinary
}

// odd is what is out of the ordinary in a flow.
type odd struct {
	missing map[uint32]int64    // numbers that were passed over, and when that was seen
	refused map[uint32]struct{} // numbers that were answered with an error
	excused []excuse
	closed  []excuse // not there when the books were closed: counted then, and of no account now
}

// excuse is a range of numbers that may be lost, since the receiver was not there or
// the sender's connection broke.
type excuse struct{ from, to uint32 }

// open stands for the end of an excuse that has not ended.
const open = ^uint32(0)

func (f *flow) extra() *odd {
	if f.odd == nil {
		f.odd = &odd{missing: map[uint32]int64{}, refused: map[uint32]struct{}{}}
	}
	return f.odd
}

// arrival is what the coming of a message means.
type arrival uint8

const (
	inOrder    arrival = iota
	again              // it had come before
	overtaken          // a later one came before it
	tooLate            // the books have been closed on it
	neverSent          // there is no message with this number
	inOrderGap         // others before it have not come
)

// arrived takes a message in.
func (f *flow) arrived(seq uint32, at int64) arrival {
	switch {
	case seq >= f.sent:
		return neverSent
	case seq == f.next:
		f.next++
		return inOrder
	case seq < f.next:
		if f.odd != nil {
			if _, ok := f.odd.missing[seq]; ok {
				delete(f.odd.missing, seq)
				return overtaken
			}
			if f.odd.reopen(seq) {
				return tooLate
			}
		}
		return again
	}
	o := f.extra()
	for ; f.next < seq; f.next++ {
		o.missing[f.next] = at
	}
	f.next++
	return inOrderGap
}

// refuse notes that a message was answered with an error, and reports whether it
// might have been lost anyway.
func (f *flow) refuse(seq uint32) (expected bool) {
	f.extra().refused[seq] = struct{}{}
	return f.isExcused(seq)
}

func (f *flow) isExcused(seq uint32) bool {
	if f.odd == nil {
		return false
	}
	for _, e := range f.odd.excused {
		if seq >= e.from && seq < e.to {
			return true
		}
	}
	return false
}

// away notes that the receiver has left: what it has not had may be lost.
func (f *flow) away() {
	o := f.extra()
	o.excused = append(o.excused, excuse{f.next, open})
}

// back notes that the receiver is there again, or that the server must know that it is
// not: what is sent from now on must come, or be refused.
func (f *flow) back() {
	if f.odd == nil {
		return
	}
	if n := len(f.odd.excused); n > 0 && f.odd.excused[n-1].to == open {
		f.odd.excused[n-1].to = f.sent
	}
}

// excuse notes that one message may be lost.
func (f *flow) excuse(seq uint32) {
	o := f.extra()
	if n := len(o.excused); n > 0 && o.excused[n-1].to == seq {
		o.excused[n-1].to++
		return
	}
	o.excused = append(o.excused, excuse{seq, seq + 1})
}

// balance is what has become of the messages of a flow that have not come.
type balance struct {
	refused, expected int
	lost              map[uint32]int64 // and when that was seen
}

// close counts what has not come, and starts anew.
func (f *flow) close(now int64) (b balance) {
	if f.odd == nil && f.next == f.sent {
		return b
	}
	o := f.extra()
	for ; f.next < f.sent; f.next++ {
		o.missing[f.next] = now
	}
	b.lost = maps.Clone(o.missing)
	for seq := range o.missing {
		if _, ok := o.refused[seq]; ok {
			b.refused++
		} else if f.isExcused(seq) {
			b.expected++
		} else {
			continue
		}
		delete(b.lost, seq)
	}
	awayStill := len(o.excused) > 0 && o.excused[len(o.excused)-1].to == open
	closed := append(o.closed, ranges(slices.Sorted(maps.Keys(o.missing)))...)
	f.odd = nil
	if len(closed) > 0 {
		f.extra().closed = closed[max(0, len(closed)-closedKept):]
	}
	if awayStill {
		f.extra().excused = []excuse{{f.next, open}}
	}
	return b
}

// closedKept bounds the ranges of numbers that a flow remembers as closed.
const closedKept = 64

// ranges returns sorted numbers as ranges.
func ranges(numbers []uint32) (list []excuse) {
	for _, n := range numbers {
		if last := len(list) - 1; last >= 0 && list[last].to == n {
			list[last].to++
		} else {
			list = append(list, excuse{n, n + 1})
		}
	}
	return list
}

// reopen takes a number out of those that the books were closed on, and reports whether
// it was among them.
func (o *odd) reopen(seq uint32) bool {
	i := slices.IndexFunc(o.closed, func(e excuse) bool { return seq >= e.from && seq < e.to })
	if i < 0 {
		return false
	}
	e := o.closed[i]
	o.closed = slices.Delete(o.closed, i, i+1)
	for _, part := range []excuse{{seq + 1, e.to}, {e.from, seq}} {
		if part.from < part.to {
			o.closed = slices.Insert(o.closed, i, part)
		}
	}
	return true
}

// outstanding returns how many messages have neither come nor been refused, and must come.
func (f *flow) outstanding() int {
	n := int(f.sent - f.next)
	if f.odd == nil {
		return n
	}
	n += len(f.odd.missing)
	for seq := range f.odd.refused {
		if _, passed := f.odd.missing[seq]; passed || seq >= f.next {
			n--
		}
	}
	for _, e := range f.odd.excused {
		for seq := max(e.from, f.next); seq < min(e.to, f.sent); seq++ {
			if _, refused := f.odd.refused[seq]; !refused {
				n--
			}
		}
	}
	return n
}

// heard accounts for the messages to everybody of one sender at one receiver.
type heard struct {
	start uint32 // those below may have been sent before the receiver was there
	flow
}

// arrivedAt is arrived, where the first to come may be any.
func (h *heard) arrivedAt(seq, sent uint32, at int64) arrival {
	if h.flow.sent = sent; h.next < h.start && seq > h.next && seq < sent {
		h.next = min(seq, h.start)
	}
	return h.arrived(seq, at)
}
