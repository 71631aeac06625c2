// Package sized keeps what has a buffer to be used again, by the sizes of the buffers, so that what
// is small never holds a large one.
package sized

import "sync"

// sizes are those of the buffers, in bytes. Candidates fit the first, most offers the third.
var sizes = [...]int{512, 2 << 10, 8 << 10, Largest}

// Largest is the largest buffer that is kept, in bytes.
const Largest = 16 << 10

// Pool keeps values of type *T. The zero value is ready, and may be used by any goroutine.
type Pool[T any] struct{ kept [len(sizes)]sync.Pool }

// class returns the index of the smallest size that n bytes fit into; -1: there is none.
func class(n int) int {
	for i, size := range sizes {
		if n <= size {
			return i
		}
	}
	return -1
}

// Get returns a value that was kept, whose buffer has room for size bytes. If there is none, v is
// nil, and a new value's buffer should have the capacity room.
func (p *Pool[T]) Get(size int) (v *T, room int) {
	i := class(size)
	if i < 0 {
		return nil, size
	}
	v, _ = p.kept[i].Get().(*T)
	return v, sizes[i]
}

// Put keeps a value whose buffer has the capacity room, unless that is not one of Get's.
func (p *Pool[T]) Put(v *T, room int) {
	if i := class(room); i >= 0 && room == sizes[i] {
		p.kept[i].Put(v)
	}
}
