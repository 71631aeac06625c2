package wsconn

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/parley-rtc/parley/hub/event"
)

// keepalive watches over a connection's times: that it joins, shows signs of life,
// and ends once it is closing. One timer serves all. Its methods may be called from
// any goroutine, except pause and resume, which are the read loop's.
type keepalive struct {
	conn *conn // set by start

	// Guarded by mu.
	mu     sync.Mutex
	timer  *time.Timer
	joinBy time.Time // zero: it has joined, or there is no join timeout
	pingAt time.Time // zero: no pings
	endBy  time.Time // zero: is not closing
	goodTo time.Time // when the client's token runs out; zero: it has none

	pong      wait          // for the answer to a ping
	challenge wait          // likewise, to a challenge
	within    time.Duration // a challenge is to be sent; 0: none

	pings    uint64    // sent
	sent     uint64    // bytes that had been written when the last ping was queued
	answered uint64    // likewise, of the last ping that was answered
	pausedAt time.Time // zero: the clocks go
}

// start begins to watch over c. It comes before the hub hears of the connection, so
// that nothing the hub says is lost.
func (k *keepalive) start(c *conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.conn = c
	now := time.Now()
	if t := c.options.JoinTimeout; t > 0 {
		k.joinBy = now.Add(t)
	}
	if t := c.options.PingInterval; t > 0 {
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
	tick := min(pingTick, h.options.Load().PingInterval/10)
	if tick <= 0 {
		return t
	}
	return t.Add(-(t.Sub(h.started) % tick))
}

// stop ends all clocks.
func (k *keepalive) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.timer.Stop()
	k.clear()
}

// clear forgets all that may be due. The caller holds mu.
func (k *keepalive) clear() {
	k.joinBy, k.pingAt, k.endBy, k.goodTo = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	k.pong.by, k.challenge.by, k.within = time.Time{}, time.Time{}, 0
}

// arm sets the timer to what is next. The caller holds mu.
func (k *keepalive) arm(now time.Time) {
	times := [...]time.Time{k.pingAt, k.endBy, k.goodTo, k.joinBy, k.pong.by, k.challenge.by}
	ahead := times[:]
	if !k.pausedAt.IsZero() {
		ahead = times[:3] // the others stand still
	}
	var next time.Time
	for _, t := range ahead {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	switch {
	case k.within > 0:
		k.timer.Reset(0)
	case next.IsZero():
		k.timer.Stop()
	default:
		k.timer.Reset(next.Sub(now))
	}
}

func due(t, now time.Time) bool { return !t.IsZero() && !t.After(now) }

// tick does what is due, without holding the lock meanwhile. It is called by the
// timer.
func (k *keepalive) tick() {
	c := k.conn
	k.mu.Lock()
	now := time.Now()
	going := k.pausedAt.IsZero()
	act := func() {}
	switch {
	case due(k.endBy, now):
		k.endBy = time.Time{}
		act = func() { c.cut(event.ReasonCloseTimeout) }
	case k.within > 0:
		act = k.sendChallenge(now)
	case going && due(k.challenge.by, now):
		act = k.look(&k.challenge, now)
	case going && due(k.pong.by, now):
		act = k.look(&k.pong, now)
	case going && due(k.joinBy, now):
		k.joinBy = time.Time{}
		act = c.noJoin
	case due(k.goodTo, now):
		k.goodTo = time.Time{}
		act = c.tokenExpired
	case due(k.pingAt, now):
		k.pingAt = c.h.together(now.Add(c.options.PingInterval))
		act = k.ping(now)
	}
	k.arm(now)
	k.mu.Unlock()
	act()
}

// look decides on a wait that is over, and returns what follows. The caller holds
// mu.
func (k *keepalive) look(w *wait, now time.Time) func() {
	if w.goesOn(now, k.conn.traffic()) {
		return func() {}
	}
	k.pong.by, k.challenge.by = time.Time{}, time.Time{}
	return func() { k.conn.cut(event.ReasonPingTimeout) }
}

// ping notes that a ping is sent now, and returns what sends it. One at a time is
// under way, challenges aside. The caller holds mu.
func (k *keepalive) ping(now time.Time) func() {
	if !k.pong.by.IsZero() || !k.challenge.by.IsZero() || !k.endBy.IsZero() {
		return func() {}
	}
	t := k.conn.traffic()
	k.pong.begin(now, k.conn.options.PingTimeout, t)
	k.pong.grace = slowLine(t.written - k.answered)
	return k.sendPing(t)
}

func (k *keepalive) sendPing(t traffic) func() {
	k.pings++
	k.sent = t.written
	payload := binary.BigEndian.AppendUint64(nil, k.pings)
	return func() { k.conn.sent(k.conn.client.Ping(payload)) }
}

// sendChallenge notes that a challenge is sent now, and returns what sends it. The
// caller holds mu.
func (k *keepalive) sendChallenge(now time.Time) func() {
	t := k.conn.traffic()
	k.challenge.begin(now, k.within, t)
	k.within = 0
	return k.sendPing(t)
}

// ask sends a ping at once, whether or not another is under way, and cuts the
// connection if there is no sign of life within the given time. One challenge is
// under way at a time: until then others change nothing. It does not block.
func (k *keepalive) ask(within time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.timer == nil || within <= 0 || k.within > 0 || !k.challenge.by.IsZero() || !k.endBy.IsZero() {
		return
	}
	k.within = within
	k.arm(time.Now()) // the timer's goroutine sends it: the caller's may not wait
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

// answer takes a pong, and reports whether it is the answer to the last ping; others
// count only as bytes from the client.
func (k *keepalive) answer(payload []byte) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	under := !k.pong.by.IsZero() || !k.challenge.by.IsZero()
	if len(payload) != 8 || binary.BigEndian.Uint64(payload) != k.pings || !under {
		return false
	}
	k.pong.by, k.challenge.by = time.Time{}, time.Time{}
	k.answered = k.sent
	return true
}

// pause lets the clocks of the join and of pongs stand still: the read loop waits for
// somebody else's decision, and reads nothing meanwhile.
func (k *keepalive) pause() {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	k.pausedAt = now
	k.arm(now)
}

// resume lets the clocks go on after pause.
func (k *keepalive) resume() {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if !k.joinBy.IsZero() {
		k.joinBy = k.joinBy.Add(now.Sub(k.pausedAt))
	}
	k.pong.shift(k.pausedAt, now)
	k.challenge.shift(k.pausedAt, now)
	k.pausedAt = time.Time{}
	k.arm(now)
}

// joined stops the clock for the join, or starts it anew.
func (k *keepalive) joined(is bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.joinBy = time.Time{}
	if t := k.conn.options.JoinTimeout; t > 0 && !is && k.endBy.IsZero() {
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
	if !k.endBy.IsZero() {
		return
	}
	now := time.Now()
	k.clear()
	k.endBy = now.Add(closeTimeout)
	k.arm(now)
}
