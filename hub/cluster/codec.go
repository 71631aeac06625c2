package cluster

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"time"
)

// Records are written and read with these. A record that can't be read leaves the
// reader bad, and whatever it returns is zero: whoever reads carries nothing of it out.

type writer struct {
	b       []byte
	version int // of the wire, on a link
}

func (w *writer) number(n uint64)    { w.b = binary.AppendUvarint(w.b, n) }
func (w *writer) bytes(b []byte)     { w.number(uint64(len(b))); w.b = append(w.b, b...) }
func (w *writer) text(s string)      { w.number(uint64(len(s))); w.b = append(w.b, s...) }
func (w *writer) fixed(n uint64)     { w.b = binary.LittleEndian.AppendUint64(w.b, n) }
func (w *writer) moment(t time.Time) { w.fixed(nanoseconds(t)) }

func (w *writer) flag(is bool) {
	n := byte(0)
	if is {
		n = 1
	}
	w.b = append(w.b, n)
}

// json writes something rare as JSON.
func (w *writer) json(v any) {
	b, _ := json.Marshal(v) // can't fail
	w.bytes(b)
}

func (r *reader) json(v any) {
	if json.Unmarshal(r.bytes(), v) != nil {
		r.fail()
	}
}

// fail says that what is read can't be.
func (r *reader) fail() { r.bad, r.b = true, nil }

// below reads a number that is less than limit.
func (r *reader) below(limit uint64) uint64 {
	n := r.number()
	if n >= limit {
		r.fail()
		return 0
	}
	return n
}

// duration reads a time that is not negative.
func (r *reader) duration() time.Duration { return time.Duration(r.below(math.MaxInt64)) }

// nanoseconds is the time since 1970; 0 is no time.
func nanoseconds(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.UnixNano())
}

type reader struct {
	b       []byte
	bad     bool
	version int // of the wire, on a link
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[size:]
	return n
}

// bytes returns a part of what is read.
func (r *reader) bytes() []byte {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) text() string { return string(r.bytes()) }

func (r *reader) fixed() uint64 {
	if len(r.b) < 8 {
		r.fail()
		return 0
	}
	n := binary.LittleEndian.Uint64(r.b)
	r.b = r.b[8:]
	return n
}

func (r *reader) moment() time.Time {
	n := r.fixed()
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(n))
}

func (r *reader) flag() bool {
	if len(r.b) == 0 {
		r.fail()
		return false
	}
	is := r.b[0] != 0
	r.b = r.b[1:]
	return is
}
