package cluster

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A queue gives what was put into it, in order, and an empty one keeps little memory.
func TestQueue(t *testing.T) {
	q, want := queue[int]{}, []int(nil)
	for i := range 10_000 {
		for range rand.IntN(9) {
			q.push(i)
			want = append(want, i)
		}
		n := min(rand.IntN(9), len(want))
		q.drop(n)
		if want = want[n:]; !slices.Equal(q.all(), want) {
			t.Fatalf("%d items: %v", len(want), q.all())
		}
	}
	for range 1000 {
		q.push(1)
	}
	if q.drop(len(q.all())); cap(q.items) > leastIdle {
		t.Errorf("an empty queue has room for %d", cap(q.items))
	}
}

// A queue that is never empty does not grow with what passes through it, and does not stay as large
// as it once was.
func TestQueueUsesMemoryAgain(t *testing.T) {
	q := queue[int]{}
	q.push(0)
	for i := range 100_000 {
		q.push(i)
		q.drop(1)
	}
	if cap(q.items) > 2*leastIdle {
		t.Errorf("a queue of one item has room for %d", cap(q.items))
	}
	for i := range 100_000 {
		q.push(i)
	}
	q.drop(100_000)
	for i := range 200_000 {
		q.push(i)
		q.drop(1)
	}
	if cap(q.items) > 8*leastIdle {
		t.Errorf("a queue that was long once has room for %d", cap(q.items))
	}
}

// Memory is as large as was asked for, is nobody else's, and what is kept of it is bounded.
func TestSpare(t *testing.T) {
	s, used, kept := spare{}, map[*byte][]byte{}, 0
	for range 20_000 {
		size := rand.IntN(6000) + 1
		b := s.take(size)
		if len(b) != 0 || cap(b) < size {
			t.Fatalf("%d bytes: %d of %d", size, len(b), cap(b))
		}
		at := &b[:1][0]
		if used[at] != nil {
			t.Fatal("the same memory twice")
		}
		used[at] = b
		for at, b := range used {
			if len(used) < 500 && rand.IntN(3) > 0 {
				break
			}
			delete(used, at)
			s.put(b)
		}
		kept = max(kept, s.bytes)
	}
	held := 0
	for i, free := range s.free {
		for _, b := range free {
			held += cap(b)
			if cap(b) < spareSizes[i] {
				t.Errorf("%d bytes among those of %d", cap(b), spareSizes[i])
			}
		}
	}
	if held != s.bytes || kept > maxSpareBytes || kept == 0 {
		t.Errorf("%d bytes are kept, and counted %d, at most %d", held, s.bytes, kept)
	}
}
