package wsconn

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// keepalive watches over a connection's times: that it joins, answers pings, and
// ends once it is closing. One timer serves all.
type keepalive struct {
	conn *conn // set by start

	// Guarded by mu.
	mu     sync.Mutex
	timer  *time.Timer
	joinBy time.Time // zero: it has joined, or may take its time
	pingAt time.Time // zero: no pings
	pongBy time.Time // zero: no ping is unanswered
	endBy  time.Time // zero: is not closing
	goodTo time.Time // when the client's token runs out; zero: it has none
	pings  uint64    // sent
}

func (k *keepalive) start(c *conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.conn = c
	now := time.Now()
	if t := c.h.options.JoinTimeout; t > 0 {
		k.joinBy = now.Add(t)
	}
	if t := c.h.options.PingInterval; t > 0 {
		// Connections that came at once are not all pinged at once.
		k.pingAt = c.h.together(now.Add(t/2 + rand.N(t/2+1)))
	}
	k.timer = time.AfterFunc(time.Hour, k.tick)
	k.arm(now)
}

// pingTick is the grain of the times of pings: those of many connections go out
// together, and the process is woken a few times a second rather than for each.
const pingTick = 250 * time.Millisecond

// together moves a time to the tick before it.
func (h *Handler) together(t time.Time) time.Time {
	tick := min(pingTick, h.options.PingInterval/10)
	if tick <= 0 {
		return t
	}
	return t.Add(-(t.Sub(h.started) % tick))
}

func (k *keepalive) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.timer != nil {
		k.timer.Stop()
	}
	k.joinBy, k.pingAt, k.pongBy, k.endBy, k.goodTo = time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}
}

// arm sets the timer to what is next.
func (k *keepalive) arm(now time.Time) {
	var next time.Time
	for _, t := range [...]time.Time{k.joinBy, k.pingAt, k.pongBy, k.endBy, k.goodTo} {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if next.IsZero() {
		k.timer.Stop()
		return
	}
	k.timer.Reset(next.Sub(now))
}

// stalled is how late a timer is when the whole process must have stood still.
const stalled = time.Second

func due(t, now time.Time) bool { return !t.IsZero() && !t.After(now) }

// tick does what is due, without holding the lock meanwhile.
func (k *keepalive) tick() {
	c := k.conn
	k.mu.Lock()
	now := time.Now()
	act := func() {}
	switch {
	case due(k.endBy, now):
		k.endBy = time.Time{}
		act = func() { c.cut(hub.ReasonCloseTimeout) }
	case due(k.pongBy, now) && now.Sub(k.pongBy) > stalled:
		// This process was held up, not the client: its answer may be waiting.
		k.pongBy = now.Add(c.h.options.PingTimeout)
	case due(k.pongBy, now):
		k.pongBy = time.Time{}
		act = func() { c.cut(hub.ReasonPingTimeout) }
	case due(k.joinBy, now):
		k.joinBy = time.Time{}
		act = func() { c.disconnect(errNoJoin, hub.ReasonNoJoin) }
	case due(k.goodTo, now):
		k.goodTo = time.Time{}
		act = func() { c.disconnect(errTokenExpired, hub.ReasonTokenExpired) }
	case due(k.pingAt, now):
		k.pingAt = c.h.together(now.Add(c.h.options.PingInterval))
		act = k.ping(now)
	}
	k.arm(now)
	k.mu.Unlock()
	act()
}

// ping notes that a ping is sent now, and returns what sends it. One at a time is
// under way. The caller holds mu.
func (k *keepalive) ping(now time.Time) func() {
	if !k.pongBy.IsZero() || !k.endBy.IsZero() {
		return func() {}
	}
	c := k.conn
	k.pongBy = now.Add(c.h.options.PingTimeout)
	k.pings++
	ping := wire.WSPing(binary.BigEndian.AppendUint64(nil, k.pings))
	return func() { c.urgent(ping) }
}

// probe sends a ping now, where pings are sent at all: its answer says what has
// arrived.
func (k *keepalive) probe() {
	k.mu.Lock()
	act := func() {}
	if !k.pingAt.IsZero() {
		now := time.Now()
		act = k.ping(now)
		k.arm(now)
	}
	k.mu.Unlock()
	act()
}

// pong takes the answer to a ping, and reports whether it is that to the last one;
// others count for nothing.
func (k *keepalive) pong(payload []byte) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(payload) != 8 || binary.BigEndian.Uint64(payload) != k.pings || k.pongBy.IsZero() {
		return false
	}
	k.pongBy = time.Time{}
	return true
}

// joined stops the clock for the join, or starts it anew.
func (k *keepalive) joined(is bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.joinBy = time.Time{}
	if t := k.conn.h.options.JoinTimeout; t > 0 && !is {
		now := time.Now()
		k.joinBy = now.Add(t)
		k.arm(now)
	}
}

// expires sets when the client's token runs out; zero: never.
func (k *keepalive) expires(t time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.endBy.IsZero() && k.goodTo != t {
		k.goodTo = t
		k.arm(time.Now())
	}
}

// closing bounds the time that the connection has left.
func (k *keepalive) closing() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.timer == nil || !k.endBy.IsZero() {
		return
	}
	now := time.Now()
	k.joinBy, k.pingAt, k.pongBy, k.goodTo, k.endBy = time.Time{}, time.Time{}, time.Time{}, time.Time{}, now.Add(closeTimeout)
	k.arm(now)
}
