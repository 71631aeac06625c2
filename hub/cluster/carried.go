package cluster

import (
	"encoding/binary"
	"slices"
	"sync"
)

// record is one record, without its length. Its readers must not keep its memory.
type record struct{ b []byte }

// records are the records of one packet that go to the edge, or to control: one behind the other,
// each behind its length. The loop that has handled them calls free.
type records struct {
	link  *link
	seq   uint64 // of the packet
	count int
	b     []byte
}

var recordsPool = sync.Pool{New: func() any { return new(records) }}

// maxKept is the largest buffer of records that is kept for later packets, in bytes: that of a
// packet with a record that has begun in the packet before.
const maxKept = 2 * maxPacket

// newRecords returns an empty list with room for size bytes.
func newRecords(l *link, seq uint64, size int) *records {
	r := recordsPool.Get().(*records)
	r.link, r.seq, r.count, r.b = l, seq, 0, slices.Grow(r.b[:0], size)
	return r
}

// spoiled is called with memory that is about to be used again. Tests overwrite it, to find out
// readers that have kept it. Nil: nothing is called.
var spoiled func(b []byte)

// free returns the records to the pool: nobody reads them any more.
func (r *records) free() {
	if spoiled != nil {
		spoiled(r.b)
	}
	if cap(r.b) <= maxKept {
		r.link = nil
		recordsPool.Put(r)
	}
}

// add appends a copy of a record, which stands behind its length.
func (r *records) add(b []byte) {
	r.count++
	r.b = append(r.b, b...)
}

// all calls yield with each record, until that reports false.
func (r *records) all(yield func(rec record) bool) {
	for b := r.b; len(b) > 0; {
		end := lengthBytes + int(binary.LittleEndian.Uint32(b))
		if !yield(record{b[lengthBytes:end:end]}) {
			return
		}
		b = b[end:]
	}
}
