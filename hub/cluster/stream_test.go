package cluster

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// dice are random numbers for several goroutines.
type dice struct {
	mu     sync.Mutex
	random *rand.Rand
}

func (d *dice) below(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.random.IntN(n)
}

func (d *dice) upTo(most time.Duration) time.Duration { return time.Duration(d.below(int(most))) }

// badly returns a way to a link that loses, delays, repeats and reorders packets.
func badly(d *dice, to *link) func(packet []byte) {
	lossPercent := d.below(30)
	return func(packet []byte) {
		for range 1 + d.below(2) {
			if d.below(100) < lossPercent {
				continue
			}
			b := slices.Clone(packet)
			time.AfterFunc(d.upTo(3*time.Millisecond), func() {
				to.receive(b)
				spoil(b)
			})
		}
	}
}

// What one link writes the other gets, whole and in order, whatever happens to packets on their
// way, also if they can't be taken when they come, and records are spread over several.
func TestStream(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			d := &dice{random: rand.New(rand.NewPCG(seed, 1))}
			p := newPair(t)
			var got, want []byte
			p.b.arrive = func(_ uint64, b []byte) bool {
				taken := d.below(6) > 0
				if taken {
					got = append(got, b...)
				}
				return taken
			}
			p.a.send, p.b.send = badly(d, p.b), badly(d, p.a)
			for i := range 100 {
				size := 1 + d.below(300)
				if d.below(10) == 0 {
					size = 1 + d.below(3*maxPacket)
				}
				rec := bytes.Repeat([]byte{byte(i)}, size)
				want = append(binary.LittleEndian.AppendUint32(want, uint32(size)), rec...)
				p.a.write(func(w *writer) { w.b = append(w.b, rec...) })
				if d.below(3) > 0 {
					p.a.flush()
				}
				if d.below(3) == 0 {
					p.b.confirm(uint64(i), d.below(2*promptBytes))
				}
				if d.below(2) == 0 {
					time.Sleep(d.upTo(5 * time.Millisecond))
				}
			}
			p.a.flush()
			time.Sleep(time.Minute)
			synctest.Wait()
			if !bytes.Equal(got, want) {
				t.Errorf("seed %d: %d bytes came of %d, or others", seed, len(got), len(want))
			}
			if a, b := p.a.backlog(), p.b.backlog(); a+b > 0 {
				t.Errorf("seed %d: %d and %d bytes wait", seed, a, b)
			}
		})
	}
}
