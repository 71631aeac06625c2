// Package crowd is the virtual peers that load a server: rooms of members that call
// each other as browsers do, on an open schedule, and hold everything that comes
// against what was sent.
//
// Rooms are shared out to workers. A worker's mutex guards all of its rooms; its
// goroutine does what the schedule has due, and the goroutines that read its
// connections take what comes.
package crowd

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/cmd/soak/internal/credential"
	"github.com/parley-rtc/parley/cmd/soak/internal/dialect"
	"github.com/parley-rtc/parley/cmd/soak/internal/socket"
)

// Options are those of a crowd.
type Options struct {
	Target  *url.URL
	Dialect *dialect.Dialect
	Dialer  *socket.Dialer
	// Credentials are what members show to be let in; nil: nothing.
	Credentials *credential.Source
	Changes     bool          // members ask for changes in place of lists
	Late        time.Duration // a message that takes longer is a fault; 0: none is
	Seed        uint64
	Run         uint32    // number of the run, in every message
	Start       time.Time // that times are counted from
}

// Crowd is all virtual peers.
type Crowd struct {
	// Set by New, then read only.
	Options
	name    string // of the run, in names of rooms
	workers []*worker
	ctx     context.Context // ends all connections' goroutines
	cancel  context.CancelFunc
	dialing chan struct{} // a place for each dial at once

	Faults Faults // has its own lock

	running sync.WaitGroup // goroutines of connections and workers
	stopped atomic.Bool
	breaks  atomic.Int64  // so many connections may still break
	born    atomic.Int64  // members made so far
	limits  atomic.Uint64 // dials that failed for want of a descriptor or a port

	rooms []*room // owned by who calls Resize
}

// dialsAtOnce bounds the connections that are being opened: each needs a stack.
const dialsAtOnce = 256

// New starts an empty crowd.
func New(o Options) *Crowd {
	c := &Crowd{Options: o, name: fmt.Sprintf(credential.RoomPrefix+"%08x", o.Run), dialing: make(chan struct{}, dialsAtOnce)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	for i := range runtime.GOMAXPROCS(0) {
		w := &worker{crowd: c, tally: NewTally(), random: rand.New(rand.NewPCG(o.Seed, uint64(i)))}
		c.workers = append(c.workers, w)
		c.running.Go(w.run)
	}
	return c
}

// Now returns the time since the run began.
func (c *Crowd) Now() time.Duration { return time.Since(c.Start) }

func (c *Crowd) now() int64 { return int64(c.Now()) }

// Close ends everything, at once.
func (c *Crowd) Close() {
	c.stopped.Store(true)
	c.cancel()
	for _, w := range c.workers {
		w.mu.Lock()
		for _, m := range w.members {
			if m.link != nil {
				m.link.conn.Cut()
			}
		}
		w.mu.Unlock()
	}
	c.running.Wait()
}

// Census is who there is.
type Census struct {
	Members     int // in their rooms
	Joining     int
	Lost        int // of those that were in, without a connection now
	Connections int
	Planned     int // things that calls under way are yet to send
}

// Census counts the members.
func (c *Crowd) Census() (n Census) {
	for _, w := range c.workers {
		w.mu.Lock()
		n.Members += w.present
		n.Joining += w.joining
		n.Lost += w.lost
		n.Connections += w.connections
		n.Planned += w.planned
		w.mu.Unlock()
	}
	return n
}

// Collect adds what has been counted since it was last called to a tally.
func (c *Crowd) Collect(t *Tally) {
	for _, w := range c.workers {
		w.mu.Lock()
		t.Add(w.tally)
		w.tally.reset()
		w.mu.Unlock()
	}
}

// Limits returns how many dials failed since this process had no descriptor or
// port left.
func (c *Crowd) Limits() uint64 { return c.limits.Load() }

// Outstanding returns how many messages must come and have not.
func (c *Crowd) Outstanding() (n int) {
	for _, w := range c.workers {
		w.mu.Lock()
		for _, m := range w.members {
			n += m.outstanding()
		}
		w.mu.Unlock()
	}
	return n
}

// Greet has all members that wait for no answer send a ping: so those too are seen to be
// known to the server that have sent nothing.
func (c *Crowd) Greet() {
	for _, w := range c.workers {
		w.mu.Lock()
		for _, m := range w.members {
			m.greet(c.now())
		}
		w.mu.Unlock()
	}
}

// CloseBooks counts what has not come as lost, unless something explains it, and
// begins anew.
func (c *Crowd) CloseBooks() {
	for _, w := range c.workers {
		w.mu.Lock()
		for _, m := range w.members {
			m.closeBooks()
		}
		for _, r := range w.rooms {
			clear(r.offers)
		}
		w.mu.Unlock()
	}
}

// Misinformed returns how many members do not know just who is in their room; with
// tell, each is a fault.
func (c *Crowd) Misinformed(tell bool) (n int) {
	if !c.Dialect.Membership {
		return 0
	}
	for _, w := range c.workers {
		w.mu.Lock()
		for _, r := range w.rooms {
			n += r.misinformed(tell)
		}
		w.mu.Unlock()
	}
	return n
}
