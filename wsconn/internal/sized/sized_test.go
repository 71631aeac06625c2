package sized

import "testing"

// What is got has room for what was asked for, and a small value never holds a large buffer.
func TestPool(t *testing.T) {
	var p Pool[[]byte]
	for _, size := range []int{0, 1, 512, 513, 5000, Largest} {
		for _, has := range []int{0, 100, 512, 700, 2 << 10, 8 << 10, Largest, Largest + 1} {
			b := make([]byte, 0, has)
			p.Put(&b, cap(b))
		}
		for range 20 { // the race detector has a pool forget some
			v, room := p.Get(size)
			if v != nil && cap(*v) != room || room < size || room > 4*max(size, 512) {
				t.Fatalf("%d bytes: %v with room for %d", size, v != nil, room)
			}
		}
	}
	if v, room := p.Get(Largest + 1); v != nil || room != Largest+1 {
		t.Errorf("more than the largest: %v with room for %d", v != nil, room)
	}
}
