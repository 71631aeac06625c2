//go:build !race

package cluster

import (
	"time"

	"github.com/parley-rtc/parley/hub/internal/actor"
)

// This file has what happens to the nodes of a simulation.

// disturb does one thing that happens to clusters.
func (s *simulation) disturb(names []string) {
	name := names[s.random.IntN(len(names))]
	other := names[s.random.IntN(len(names))]
	s.mu.Lock()
	up, alive := s.nodes[name] != nil, len(s.nodes)
	s.mu.Unlock()
	if !up {
		s.start(name)
		return
	}
	ms := func(n int) time.Duration { return time.Duration(1+s.random.IntN(n)) * time.Millisecond }
	x := s.random.IntN(25)
	switch {
	case x < 2 && alive > 2:
		s.drain(name)
	case x == 2:
		s.net.set(func() { s.net.loss, s.net.twice, s.net.delay = s.random.Float64()*.1, s.random.Float64()*.1, ms(30) })
	case x == 3:
		s.net.set(func() { s.net.putDelay, s.net.watchDelay = ms(100), ms(200) })
	case x == 4:
		s.net.set(func() { s.net.loss, s.net.twice, s.net.delay, s.net.putDelay, s.net.watchDelay = 0, 0, 0, 0, 0 })
	case x == 5 && !s.gentle:
		s.net.set(func() { s.net.ambiguous = s.random.Float64() * .2 })
	case x == 6 && name != other:
		long := 1000
		if !s.gentle {
			long = 4000
		}
		s.trace("%s does not reach %s", name, other)
		s.net.set(func() { s.net.blocked[[2]string{name, other}] = true })
		time.Sleep(ms(long))
		s.net.set(func() { clear(s.net.blocked) })
		s.trace("%s reaches %s", name, other)
	case x == 10:
		s.trace("the register is slow")
		s.net.set(func() { s.net.putDelay, s.net.watchDelay = ms(700), ms(900) })
	case x == 19:
		s.trace("the register takes nearly as long as leases allow")
		most := 150
		if !s.gentle {
			most = 350
		}
		s.net.set(func() { s.net.putTime, s.net.putDelay, s.net.watchDelay = 300*time.Millisecond+ms(most), 0, ms(400) })
		time.Sleep(ms(8000))
		s.net.set(func() { s.net.putTime = 0 })
		s.trace("the register is as fast as ever")
	case x == 20 || x == 21:
		long := 1000
		if !s.gentle {
			long = 5000
		}
		s.stall(name, ms(long), x == 20)
	case x >= 22 && alive > 2 && name != other:
		s.disturbMove(name, other)
	case x == 15:
		s.duplicate(name)
	case x == 16:
		s.pause(name, ms(1000))
	case x == 18 && !s.gentle:
		s.trace("the register says nothing")
		s.net.set(func() { s.net.silent = true })
		if alive > 2 && s.random.IntN(2) == 0 {
			s.kill(name)
			time.Sleep(ms(12000))
			s.start(name)
		}
		time.Sleep(ms(4000))
		s.net.set(func() { s.net.silent = false })
		s.trace("the register speaks")
	case x == 17 && !s.gentle:
		s.pause(name, ms(8000))
	case x == 13 || x == 14:
		s.busy(name, ms(1000))
	case x == 11 && !s.gentle && name != other:
		s.trace("%s and %s do not reach each other", name, other)
		s.net.set(func() {
			s.net.blocked[[2]string{name, other}] = true
			s.net.blocked[[2]string{other, name}] = true
		})
		time.Sleep(ms(20000))
		s.net.set(func() { clear(s.net.blocked) })
		s.trace("%s and %s reach each other", name, other)
	case x == 12 && !s.gentle && s.random.IntN(3) == 0:
		s.trace("the register is made anew")
		s.net.wipe()
	case x < 9 && !s.gentle && alive > 2:
		if s.random.IntN(2) == 0 {
			s.busy(name, 2*time.Second) // it dies with much undone
			time.Sleep(ms(600))
		} else if name != other {
			// Its last words reach some and not others.
			s.net.set(func() { s.net.blocked[[2]string{name, other}] = true })
			time.Sleep(ms(600))
		}
		s.kill(name)
		s.net.set(func() { clear(s.net.blocked) })
	case x == 9 && !s.gentle:
		s.trace("%s is cut off", name)
		s.net.set(func() { s.net.cut[name] = true })
		time.Sleep(ms(8000))
		s.net.back(name)
		s.trace("%s is back", name)
	}
}

// disturbMove has a node leave, and something happen to another meanwhile, which may be the
// next owner of its rooms.
func (s *simulation) disturbMove(name, other string) {
	s.mu.Lock()
	up, alive := s.nodes[other] != nil, len(s.nodes)
	s.mu.Unlock()
	if !up {
		return
	}
	ms := func(n int) time.Duration { return time.Duration(1+s.random.IntN(n)) * time.Millisecond }
	left := make(chan struct{})
	go func() {
		defer close(left)
		s.drain(name)
	}()
	time.Sleep(ms(200))
	switch x := s.random.IntN(4); {
	case x == 0 && !s.gentle && alive > 3:
		s.kill(other)
	case x == 1 && !s.gentle:
		s.pause(other, ms(8000))
	default:
		s.pause(other, ms(1000))
	}
	<-left
}

// duplicate has a second process of a node's name come. One of them must give up, and disturb
// nobody: the second, unless the first had been taken for lost before.
func (s *simulation) duplicate(name string) {
	s.trace("a second process has the name of %s", name)
	s.net.set(func() { s.net.putDelay, s.net.watchDelay = 0, 0 })
	time.Sleep(2 * time.Second)
	s.mu.Lock()
	first := s.nodes[name]
	s.mu.Unlock()
	lived := first.available()
	second := s.node(name)
	select {
	case <-second.Failed():
		s.trace("the second %s gives up", name)
		second.Close()
		return
	case <-first.Failed():
	case <-time.After(40 * time.Second):
		s.t.Errorf("no %s gives up", name)
	}
	if lived && s.gentle {
		s.t.Errorf("the first %s gives up", name)
	}
	s.kill(name)
	s.mu.Lock()
	s.nodes[name] = second
	s.mu.Unlock()
}

// pause has a node stand still, as a virtual machine does.
func (s *simulation) pause(name string, long time.Duration) {
	s.busy(name, long)
	s.trace("%s stands still", name)
	s.net.pause(name, long)
	s.trace("%s goes on", name)
}

// busy has a node's hub do nothing for a while.
func (s *simulation) busy(name string, long time.Duration) {
	s.trace("the hub of %s is busy for %s", name, long)
	s.mu.Lock()
	n := s.nodes[name]
	s.mu.Unlock()
	_ = n.present().Do(&actor.Batch{After: func(uint64) { time.Sleep(long) }})
}

// stall has a node's edge, or its control, do nothing for a while.
func (s *simulation) stall(name string, long time.Duration, edge bool) {
	s.trace("%s does nothing for %s: its edge %v, else its control", name, long, edge)
	s.mu.Lock()
	n := s.nodes[name]
	s.mu.Unlock()
	if edge {
		n.toEdge(func() { time.Sleep(long) })
	} else {
		n.post(func() { time.Sleep(long) })
	}
}
