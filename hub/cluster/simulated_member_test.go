//go:build !race

package cluster

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// kickBan is how long a member that was removed may not come back.
const kickBan = 5 * time.Second

// kickTime is how long a kick may be under way, while its room changes its owner. It removes
// whoever has the id by then, which may be a later membership than the one that was meant.
const kickTime = 10 * time.Second

// banSlack is how much earlier that may end: it counts from the beginning of the hub's batch,
// and a hub may be busy for a while in the midst of one.
const banSlack = 2 * time.Second

const nobody = "nobody"

// actorOf is one simulated client: it joins, sends, loses its connection and resumes, at
// random.
type simulatedClient struct {
	s      *simulation
	id     string
	room   string
	random *rand.Rand
	conn   *simulatedConn // nil: none
	m      *membership    // nil: none
	stays  int
	pause  time.Duration // between two things that it does
	lost   time.Time     // when the membership last lost its connection
	left   time.Time     // when it left the last; zero: it has not left that
	grant  *actor.Grant  // nil: the default rights
	banned time.Time     // until then it may not come back; zero: it may
	steady bool          // it seldom leaves or loses its connection, so that it is there when owners die
	key    string        // with which it takes the place of its former self; empty: it does not
}

// moderates reports whether the client has the right to.
func (p *simulatedClient) moderates() bool { return p.grant != nil }

func (p *simulatedClient) run() {
	for !p.s.over.Load() {
		time.Sleep(time.Duration(p.random.Int64N(int64(p.pause))) + time.Millisecond)
		p.look()
		switch {
		case p.m == nil:
			p.join()
		case p.conn == nil:
			p.resume()
		default:
			p.act()
		}
	}
}

// connect opens a connection with some node.
func (p *simulatedClient) connect() bool {
	name, n := p.s.anyNode(p.random)
	if n == nil {
		return false
	}
	c := &simulatedConn{s: p.s, node: n, name: name}
	c.out.Init(c, &counters, 1<<20)
	c.client = actor.NewClient(1, netip.Addr{}, &c.out)
	p.s.mu.Lock()
	p.s.conns[c] = struct{}{}
	p.s.mu.Unlock()
	if n.Do(actor.Register{Client: c.client}) != nil {
		p.s.forget(c)
		return false
	}
	p.conn = c
	return true
}

// look notices what has become of the connection.
func (p *simulatedClient) look() {
	c := p.conn
	if c == nil {
		return
	}
	p.s.mu.Lock()
	dead, closed := c.cut, c.closed
	p.s.mu.Unlock()
	if !dead && closed == 0 {
		return
	}
	if p.m != nil && closed == wire.CloseGoingAway && !dead && p.random.IntN(3) == 0 {
		p.leave() // it was about to, and does not know yet
	}
	p.drop()
	if closed == wire.CloseReplaced && p.m != nil && p.s.gentle {
		p.s.t.Errorf("%s has lost its place to a connection that it gave up before", p.m.name)
	}
	if closed == wire.CloseKicked && p.m != nil && !p.m.kickedAt.IsZero() {
		p.banned = p.m.kickedAt.Add(kickBan - banSlack)
	}
	if m := p.m; m != nil && (!m.resumable || closed != 0 && closed != wire.CloseGoingAway) {
		p.forgetMembership()
	}
}

// drop ends the connection as one that is lost.
func (p *simulatedClient) drop() {
	c := p.conn
	if c.resumed || !c.resumes {
		p.lost = time.Now()
	}
	p.conn = nil
	p.s.mu.Lock()
	c.cut = true
	if m := p.m; m != nil {
		m.away = p.lost
	}
	p.s.mu.Unlock()
	slow := time.Duration(p.random.Int64N(int64(400 * time.Millisecond)))
	p.s.clients.Go(func() {
		time.Sleep(slow) // until the node finds out
		_ = c.node.Do(actor.Unregister{Client: c.client, Reason: event.ReasonLost})
		p.s.forget(c)
	})
}

func (p *simulatedClient) forgetMembership() {
	p.s.mu.Lock()
	p.m.ended = true
	p.s.trace("%s has ended", p.m.name)
	p.s.mu.Unlock()
	p.m = nil
}

// answerTime is how long a client waits for the answer to a join or resume.
const answerTime = 15 * time.Second

// patience returns how long the client waits for an answer. One with little comes again, by
// another node, while its first try is under way.
func (p *simulatedClient) patience() time.Duration {
	if p.random.IntN(4) > 0 || p.s.calm.Load() {
		return answerTime
	}
	return time.Duration(p.random.Int64N(int64(300 * time.Millisecond)))
}

func wait[T any](n *Node, done <-chan T, patience time.Duration) (word T, ok bool) {
	select {
	case word = <-done:
		return word, true
	case <-n.Closed():
	case <-time.After(patience):
	}
	return word, false
}

func (p *simulatedClient) join() {
	if p.conn == nil && !p.connect() {
		return
	}
	c := p.conn
	p.stays++
	m := &membership{name: fmt.Sprint(p.id, ".", p.stays), id: p.id, room: p.room, resumable: p.random.IntN(4) > 0, answers: map[string]string{}}
	m.changes, m.moderates = p.random.IntN(2) > 0, p.moderates()
	p.s.mu.Lock()
	for _, before := range p.s.stays {
		if before.id == m.id && before.room == m.room && time.Since(before.kickedAt) < kickTime {
			m.kickedAt = before.kickedAt
		}
	}
	p.s.stays = append(p.s.stays, m)
	c.m = m
	p.s.mu.Unlock()
	begun := time.Now()
	j := &actor.Join{Client: c.client, Room: p.room, ID: p.id, Grant: p.grant, Changes: m.changes, Key: p.key, Asked: actor.Asked{At: begun}, Refused: frame.Refused{Re: "join", Ref: "join"}}
	if m.resumable {
		j.Session = c.node.NewSession(p.room)
	}
	j.Welcome = frame.Text((&wire.Joined{Room: p.room, From: p.id, Session: j.Session}).Text())
	done := make(chan bool, 1)
	j.Done = done
	if c.node.Do(j) != nil {
		p.m = m
		p.forgetMembership()
		p.drop()
		return
	}
	in, ok := wait(c.node, done, p.patience())
	p.m = m
	switch {
	case !ok:
		p.s.trace("%s gives up joining at %s", m.name, c.name)
		p.left = time.Time{}
		p.drop()
		p.forgetMembership()
	case !in:
		p.s.mu.Lock()
		m.refused = true
		p.s.mu.Unlock()
		p.forgetMembership()
		p.haunted(c)
	default:
		p.s.trace("%s is in, at %s", m.name, c.name)
		if p.s.gentle && time.Now().Before(p.banned) {
			p.s.t.Errorf("%s was let in at %s, and is banned until %s", m.name, begun, p.banned)
		}
		p.left = time.Time{}
	}
}

// keptSlack is how much longer than the resume window a membership may be kept: until its
// owner hears of the loss, and while hubs are busy.
const keptSlack = 5 * time.Second

// ghostTime is how long after a leave the id may still be taken.
const ghostTime = 5 * time.Second

// haunted sees that it is not its own membership, which it has left, that keeps a client
// out.
func (p *simulatedClient) haunted(c *simulatedConn) {
	time.Sleep(10 * time.Millisecond) // for the error
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if c.code == "duplicate_id" && p.key != "" {
		p.s.fault("%s does not get its own place in %s", p.id, p.room)
	}
	if away := time.Since(p.left); c.code == "duplicate_id" && !p.left.IsZero() && away > ghostTime && p.s.gentle {
		p.s.fault("%s is in %s still, which it left %s ago", p.id, p.room, away)
	}
}

func (p *simulatedClient) resume() {
	m := p.m
	p.s.mu.Lock()
	session, received := m.session, m.received
	p.s.mu.Unlock()
	if session == "" {
		p.forgetMembership() // it has not heard of it
		return
	}
	if !p.connect() {
		return
	}
	c := p.conn
	p.s.mu.Lock()
	c.m, c.resumes = m, true
	p.s.mu.Unlock()
	p.s.trace("%s resumes at %s after %d", m.name, c.name, received)
	asked := time.Now()
	done := make(chan actor.Resumed, 1)
	if c.node.Do(&actor.Resume{Client: c.client, Session: session, Received: received, Asked: actor.Asked{At: asked}, Refused: frame.Refused{Re: "resume", Ref: "resume"}, Done: done}) != nil {
		p.drop()
		return
	}
	r, ok := wait(c.node, done, p.patience())
	if !ok {
		p.s.trace("%s gives up resuming at %s", m.name, c.name)
		p.drop()
		return
	}
	if r.ID != "" {
		if away := asked.Sub(p.lost); p.s.gentle && away > window+keptSlack {
			p.s.t.Errorf("%s was kept for %s", m.name, away)
		}
		p.sendAgain(c)
		return
	}
	time.Sleep(10 * time.Millisecond) // for the error
	p.s.mu.Lock()
	code := c.code
	p.s.mu.Unlock()
	p.drop()
	if code == "session_expired" {
		away := time.Since(p.lost)
		p.s.trace("%s has lost its session after %s", m.name, away)
		if away < window && m.kickedAt.IsZero() {
			p.s.expired.Add(1)
		}
		p.forgetMembership()
	}
}

// sendAgain waits for resumed, and sends what the server has not handled.
func (p *simulatedClient) sendAgain(c *simulatedConn) {
	for range 1000 {
		p.s.mu.Lock()
		resumed, dead, handled := c.resumed, c.cut || c.closed != 0, c.handled
		p.s.mu.Unlock()
		if dead {
			return
		}
		if resumed {
			m := p.m
			if handled == 0 || handled > uint64(len(m.sent))+1 {
				p.s.mu.Lock()
				p.s.fault("%s has sent %d messages, of which %d are handled", m.name, len(m.sent)+1, handled)
				p.s.mu.Unlock()
				return
			}
			p.s.trace("%s sends again from %d of %d", m.name, handled, len(m.sent))
			for _, n := range m.sent[handled-1:] {
				p.transmit(c, n)
			}
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.s.mu.Lock()
	p.s.fault("%s has resumed, and heard nothing of it", p.m.name)
	p.s.mu.Unlock()
}
