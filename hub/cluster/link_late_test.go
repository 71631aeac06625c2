package cluster

import (
	"testing"
	"testing/synctest"
	"time"
)

// pair is two links that send to each other, and counts packets without records from the second.
type pair struct {
	a, b *link
	acks int
	last time.Time // when the last packet from b came
}

func newPair(t *testing.T) *pair {
	p := &pair{}
	taken := func(uint64, []byte) bool { return true }
	p.a = newLink(&link{own: 1, peer: 2, version: wireMax, arrive: taken, progress: func() {}})
	p.b = newLink(&link{own: 2, peer: 1, version: wireMax, arrive: taken, progress: func() {}})
	p.a.send = p.b.receive
	p.b.send = func(packet []byte) {
		p.last = time.Now()
		if packet[16] != packetData {
			p.acks++
		}
		p.a.receive(packet)
	}
	for _, l := range []*link{p.a, p.b} {
		go l.run()
		t.Cleanup(l.close)
	}
	return p
}

// write writes a record, which goes at once.
func write(l *link, size int) {
	l.write(func(w *writer) { w.b = append(w.b, make([]byte, size)...) })
	l.flush()
}

// Many packets that come one after the other have few acks, which do not come late.
func TestAcksAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		for range 100 {
			write(p.a, 100)
			time.Sleep(lateTime / 10)
		}
		time.Sleep(lateTime)
		synctest.Wait()
		if p.a.backlog() != 0 || p.acks == 0 || p.acks > 11 {
			t.Errorf("100 packets: %d acks, %d bytes are not known to have come", p.acks, p.a.backlog())
		}
	})
}

// An ack goes with whatever else goes, and so does a confirmation of little.
func TestAcksGoAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		for seq := range uint64(50) {
			write(p.a, 100)
			synctest.Wait()
			p.b.confirm(seq+1, 100)
			sent := p.b.mark()
			write(p.b, 100)
			synctest.Wait()
			if p.a.backlog() != 0 || p.b.mark() != sent {
				t.Fatal("the ack has not gone along, or the confirmation has not")
			}
			time.Sleep(lateTime/2 + 1) // never at the time at which an ack would go alone
		}
		if p.acks > 0 {
			t.Errorf("%d acks have gone alone", p.acks)
		}
	})
}

// A confirmation that nothing else goes with does not stay.
func TestConfirmationGoes(t *testing.T) {
	for _, c := range []struct {
		bytes int
		late  time.Duration
	}{{100, lateTime}, {promptBytes + 1, 0}} {
		synctest.Test(t, func(t *testing.T) {
			p := newPair(t)
			begin := time.Now()
			p.b.confirm(1, c.bytes)
			time.Sleep(time.Second)
			synctest.Wait()
			if late := p.last.Sub(begin); late != c.late {
				t.Errorf("of %d bytes: %v late", c.bytes, late)
			}
		})
	}
}

// What has come of much is told at once.
func TestMuchIsAckedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		write(p.a, promptBytes+1)
		synctest.Wait()
		if p.a.backlog() != 0 {
			t.Errorf("%d bytes are not known to have come", p.a.backlog())
		}
	})
}

// A packet that gets lost is asked for at once, also while a confirmation waits: it does not wait
// until the sender takes it for lost.
func TestGapIsAskedForAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		send, lost := p.a.send, false
		p.a.send = func(packet []byte) {
			if !lost {
				lost = true
				return
			}
			send(packet)
		}
		write(p.a, 100)
		synctest.Wait()
		p.b.confirm(1, 100)
		write(p.a, 100)
		synctest.Wait()
		p.b.mu.Lock()
		defer p.b.mu.Unlock()
		if p.b.expected != 3 {
			t.Errorf("packet %d has not come", p.b.expected)
		}
	})
}
