package cluster

// queue is a first-in, first-out queue that reuses its memory.
type queue[T any] struct {
	idle  int // how many items an empty queue keeps room for, if more than leastIdle
	items []T
	head  int // items[head:] wait
}

const leastIdle = 32

// push appends an item.
func (q *queue[T]) push(item T) {
	if len(q.items) == cap(q.items) && q.head > len(q.items)/2 {
		q.compact()
	}
	q.items = append(q.items, item)
}

// compact moves the items to the beginning of the memory. If that is much more than they need, it
// moves them to less.
func (q *queue[T]) compact() {
	wait := q.items[q.head:]
	if least := max(len(wait), q.idle, leastIdle); cap(q.items) > 8*least {
		q.items, q.head = append(make([]T, 0, 2*least), wait...), 0
		return
	}
	n := copy(q.items, wait)
	clear(q.items[n:])
	q.items, q.head = q.items[:n], 0
}

// all returns the items that wait. It holds until the next push or drop.
func (q *queue[T]) all() []T { return q.items[q.head:] }

// drop takes out the first n items.
func (q *queue[T]) drop(n int) {
	clear(q.items[q.head : q.head+n])
	q.head += n
	if q.head < len(q.items) {
		return
	}
	if q.head = 0; cap(q.items) > max(q.idle, leastIdle) {
		q.items = nil
	}
	q.items = q.items[:0]
}
