package wsconn

import (
	"net"
	"slices"
	"testing"
	"testing/synctest"
)

// The queue of the writers takes no memory of its own, however long it is never
// empty, and gives every connection its turn.
func TestWritersQueue(t *testing.T) {
	w := &writers{limit: 1, running: 1} // the worker is this test
	conns := []*conn{{number: 1}, {number: 2}, {number: 3}}
	for _, c := range conns {
		w.add(c)
	}
	var turns []uint64
	for range 7 {
		c, _ := w.next()
		turns = append(turns, c.number)
		if c.behind != nil {
			t.Fatal("a connection that has had its turn holds on to another")
		}
		w.add(c)
	}
	if want := []uint64{1, 2, 3, 1, 2, 3, 1}; !slices.Equal(turns, want) {
		t.Errorf("turns %v, want %v", turns, want)
	}
	if n := testing.AllocsPerRun(100_000, func() {
		c, _ := w.next()
		w.add(c)
	}); n != 0 {
		t.Errorf("%v allocations for each turn", n)
	}
	for range conns {
		w.next()
	}
	if w.waiting != 0 || w.first != nil || w.last != nil {
		t.Errorf("an empty queue: %d wait, from %v to %v", w.waiting, w.first, w.last)
	}
	if c, _ := w.next(); c != nil || w.running != 0 {
		t.Errorf("from an empty queue: %v, %d workers", c, w.running)
	}
}

// Connections that may wait have their turn after the others, but at least every fourth
// turn; those that are in a hurry by now do not wait with them.
func TestWritersLater(t *testing.T) {
	w := &writers{limit: 1, running: 1} // the worker is this test
	var patient []*conn
	for n := range 6 {
		c := &conn{number: uint64(100 + n)}
		patient = append(patient, c)
		w.addLater(c)
	}
	for n := range 5 {
		w.add(&conn{number: uint64(n)})
	}
	for _, n := range []int{3, 5, 0} {
		w.hurry(patient[n])
	}
	var turns []uint64
	for c, late := w.next(); c != nil; c, late = w.next() {
		if waits := c.number > 100 && c.number != 103 && c.number != 105; late != waits {
			t.Errorf("%d comes from the later line: %v", c.number, late)
		}
		turns = append(turns, c.number)
		w.hurry(c) // it has had its turn
	}
	if want := []uint64{0, 1, 2, 101, 3, 4, 103, 102, 105, 100, 104}; !slices.Equal(turns, want) {
		t.Errorf("turns %v, want %v", turns, want)
	}
	if w.first != nil || w.last != nil || w.later.first != nil || w.later.last != nil || w.waiting != 0 {
		t.Errorf("%d wait in the end", w.waiting)
	}
}

// Further workers start when many connections wait for each, and no more than the
// limit.
func TestWritersStart(t *testing.T) {
	w := &writers{limit: 3, running: 1}
	for n := 1; n <= connsPerWriter; n++ {
		w.mu.Lock()
		start := w.starts(n)
		w.mu.Unlock()
		if start {
			t.Errorf("%d connections start a second worker", n)
		}
	}
	for running, want := range []bool{true, true, true, false} {
		w.running = running
		if got := w.starts(running*connsPerWriter + 1); got != want {
			t.Errorf("with %d workers: another is started: %v, want %v", running, got, want)
		}
	}
}

// Nobody writes when nothing waits any more.
func TestWritersRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPiped(t, Options{})
		var all []*conn
		for range 20 {
			_, c := s.connect(func(c net.Conn) net.Conn { return c })
			all = append(all, c)
		}
		w := &s.handler.writers
		for range 3 {
			for _, c := range all {
				w.add(c)
			}
			synctest.Wait()
			if w.running != 0 || w.waiting != 0 || w.first != nil || w.last != nil {
				t.Errorf("%d writers run, %d connections wait", w.running, w.waiting)
			}
		}
		_ = s.handler.Close()
	})
}

// Writers stay as long as there are connections, and no longer.
func TestWritersEndWithTheLastConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(writers)
		w.init()
		w.limit = 2
		w.enter()
		w.enter()
		ended := 0
		w.running = 2
		for range 2 {
			go func() {
				if c, _ := w.next(); c == nil {
					w.mu.Lock()
					ended++
					w.mu.Unlock()
				}
			}()
		}
		state := func() [3]int {
			synctest.Wait()
			w.mu.Lock()
			defer w.mu.Unlock()
			return [3]int{w.running, w.parked, ended}
		}
		if got := state(); got != [3]int{0, 2, 0} {
			t.Errorf("running, parked and ended are %v with nothing to write", got)
		}
		w.leave()
		if got := state(); got != [3]int{0, 2, 0} {
			t.Errorf("running, parked and ended are %v while there is a connection", got)
		}
		w.leave()
		if got := state(); got != [3]int{0, 0, 2} {
			t.Errorf("running, parked and ended are %v behind the last connection", got)
		}
	})
}
