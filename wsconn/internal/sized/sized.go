// Package sized has the sizes of buffers that are used again: one for each size, so that what is
// small never holds a large one.
package sized

// Of are the sizes, in bytes. Candidates fit the first, most offers the third.
var Of = [...]int{512, 2 << 10, 8 << 10, 16 << 10}

// Class returns the index of the smallest size that n bytes fit into; -1: there is none.
func Class(n int) int {
	for i, size := range Of {
		if n <= size {
			return i
		}
	}
	return -1
}
