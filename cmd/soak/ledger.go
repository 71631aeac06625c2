package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"
)

// maxExamples is how many faults of one sort are told in words.
const maxExamples = 3

// path is a sender and a receiver.
type path struct{ from, to [2]int }

// flow is what is known of the messages on one path.
type flow struct {
	sent    uint64              // so many have left
	next    uint64              // number that is to come next
	missing map[uint64]struct{} // numbers below next that have not come
	unsure  map[uint64]struct{} // numbers that may not have reached the server
}

// ledger keeps count of every message and every fault.
type ledger struct {
	latency histogram // has its own lock

	mu       sync.Mutex // guards what follows
	flows    map[path]*flow
	sent, in int
	resumes  int
	cutOff   int // messages that a breaking connection took with it
	sorts    map[string]*sort
}

// sort is one sort of fault.
type sort struct {
	n        int
	examples []string
}

// fault counts a fault of a sort, and keeps the first few in words.
func (l *ledger) fault(name, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faultLocked(name, format, args...)
}

func (l *ledger) faultLocked(name, format string, args ...any) {
	if l.sorts == nil {
		l.sorts = make(map[string]*sort)
	}
	s := l.sorts[name]
	if s == nil {
		s = new(sort)
		l.sorts[name] = s
	}
	if s.n++; len(s.examples) < maxExamples {
		s.examples = append(s.examples, fmt.Sprintf(format, args...))
	}
}

func (l *ledger) flow(p payload) *flow {
	if l.flows == nil {
		l.flows = make(map[path]*flow)
	}
	key := path{p.from, p.to}
	f := l.flows[key]
	if f == nil {
		f = &flow{missing: make(map[uint64]struct{}), unsure: make(map[uint64]struct{})}
		l.flows[key] = f
	}
	return f
}

// left notes that a message is being sent.
func (l *ledger) left(p payload) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flow(p).sent++
	l.sent++
}

// arrived notes that a message has come, unchanged and where it should.
func (l *ledger) arrived(p payload, now time.Time) {
	l.latency.add(now.Sub(p.at))
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.flow(p)
	if _, late := f.missing[p.seq]; late {
		delete(f.missing, p.seq)
		l.in++
		l.faultLocked("out of order", "message %d from %s to %s came after message %d", p.seq, name(p.from), name(p.to), f.next-1)
		return
	}
	if p.seq < f.next {
		l.faultLocked("repeated", "message %d from %s to %s came again", p.seq, name(p.from), name(p.to))
		return
	}
	for ; f.next < p.seq; f.next++ {
		f.missing[f.next] = struct{}{}
	}
	f.next++
	l.in++
}

func name(number [2]int) string { return memberID(number[0], number[1]) }

func (l *ledger) resumed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resumes++
}

// unsure notes that these messages may not have reached the server: that they do
// not come is no fault of its.
func (l *ledger) unsure(payloads []payload) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range payloads {
		l.flow(p).unsure[p.seq] = struct{}{}
	}
}

// close counts what has not come as lost.
func (l *ledger) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, f := range l.flows {
		for seq := f.next; seq < f.sent; seq++ {
			f.missing[seq] = struct{}{}
		}
		for seq := range f.missing {
			if _, ok := f.unsure[seq]; ok {
				l.cutOff++
				continue
			}
			l.faultLocked("lost", "message %d from %s to %s never came", seq, name(key.from), name(key.to))
		}
	}
}

// outstanding returns how many messages have left and not come.
func (l *ledger) outstanding() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent - l.in
}

func (l *ledger) received() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.in
}

func (l *ledger) faults() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, s := range l.sorts {
		n += s.n
	}
	return n
}

// print tells the faults, sort by sort.
func (l *ledger) print(w io.Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.resumes > 0 {
		fmt.Fprintf(w, "resumed   %d lost connections; %d messages were cut off on their way to the server\n", l.resumes, l.cutOff)
	}
	for _, name := range slices.Sorted(maps.Keys(l.sorts)) {
		s := l.sorts[name]
		fmt.Fprintf(w, "FAULT     %s: %d\n", name, s.n)
		for _, example := range s.examples {
			fmt.Fprintf(w, "            %s\n", example)
		}
	}
}
