//go:build !race

package cluster

import (
	"fmt"
	"slices"
	"time"

	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// act does something that members do.
func (p *simulatedClient) act() {
	c := p.conn
	x := p.random.IntN(1000)
	if x < 20 && p.steady && p.random.IntN(10) > 0 {
		x += 500
	}
	if p.s.calm.Load() {
		x = 100 + x%50 // only what ends nothing
		p.unlock()
	}
	switch {
	case x < 15:
		p.drop()
		if !p.m.resumable {
			p.forgetMembership()
			return
		}
		away := 4 * time.Second
		if p.random.IntN(8) == 0 {
			away = 3 * window
		}
		back := time.Now().Add(time.Duration(p.random.Int64N(int64(away))))
		for time.Now().Before(back) && !p.s.calm.Load() {
			time.Sleep(min(time.Until(back), time.Second))
		}
	case x < 20:
		p.leave()
	case x < 150:
		if c.out.Urgent(frame.Ping(nil), 0) {
			c.out.Flush()
		}
	case x < 225:
		p.send(&note{ping: true})
	case x < 240:
		p.send(&note{ping: true, does: "renew"})
	case x < 250 && p.moderates():
		p.moderate()
	case x < 300:
		p.send(&note{to: nobody})
	case x < 450:
		p.send(&note{})
	case x < 550:
		p.send(&note{audience: actor.ToAll})
	case x < 600:
		p.send(&note{audience: actor.ToAny})
	default:
		p.s.mu.Lock()
		others := slices.DeleteFunc(slices.Clone(p.m.members), func(id string) bool { return id == p.id })
		p.s.mu.Unlock()
		if len(others) > 0 {
			p.send(&note{to: others[p.random.IntN(len(others))]})
		}
	}
}

// unlock sees that nobody is kept out in the end.
func (p *simulatedClient) unlock() {
	p.s.mu.Lock()
	locked := p.m.locked
	p.s.mu.Unlock()
	if locked && p.moderates() {
		p.send(&note{does: "unlock"})
	}
}

// moderate locks or unlocks the room, or removes a member.
func (p *simulatedClient) moderate() {
	p.s.mu.Lock()
	locked := p.m.locked
	var others []*membership
	for _, m := range p.s.stays {
		if m.room == p.room && !m.ended && !m.joined.IsZero() && !m.moderates {
			others = append(others, m)
		}
	}
	var removed *membership
	if len(others) > 0 && p.random.IntN(3) == 0 {
		removed = others[p.random.IntN(len(others))]
		removed.kickedAt = time.Now()
	}
	p.s.mu.Unlock()
	switch {
	case removed != nil:
		p.send(&note{does: "kick", to: removed.id})
	case locked:
		p.send(&note{does: "unlock"})
	default:
		p.send(&note{does: "lock"})
	}
}

func (p *simulatedClient) leave() {
	p.s.trace("%s leaves", p.m.name)
	p.left = time.Now()
	p.forgetMembership()
	_ = p.conn.node.Do(actor.Leave{Client: p.conn.client})
}

func (p *simulatedClient) send(n *note) {
	m := p.m
	n.from, n.ref, n.at = m, fmt.Sprint(m.name, "-", len(m.sent)+1), time.Now()
	p.s.mu.Lock()
	m.sent = append(m.sent, n)
	p.s.notes[n.ref] = n
	p.s.mu.Unlock()
	p.transmit(p.conn, n)
}

// transmit sends a message, unless the connection is cut: the client does not know.
func (p *simulatedClient) transmit(c *simulatedConn, n *note) {
	p.s.mu.Lock()
	cut := c.cut
	p.s.mu.Unlock()
	if cut {
		return
	}
	p.s.trace("%s sends %s to %q", n.from.name, n.ref, n.to)
	order := actor.Order{Client: c.client, Refused: frame.Refused{Re: n.does, To: n.to, Ref: n.ref}}
	switch n.does {
	case "renew":
		_ = c.node.Do(&actor.Renew{
			Client: c.client, Grant: p.grant, Refused: order.Refused, Frame: frame.Text(fmt.Appendf(nil, `{"type":"pong","ref":%q}`, n.ref)),
		})
		return
	case "kick":
		_ = c.node.Do(&actor.Kick{Order: order, To: n.to})
		return
	case "lock", "unlock":
		_ = c.node.Do(&actor.Lock{Order: order, Locked: n.does == "lock"})
		return
	}
	if n.ping {
		_ = c.node.Do(&actor.Reply{Client: c.client, Frame: frame.Text(fmt.Appendf(nil, `{"type":"pong","ref":%q}`, n.ref))})
		return
	}
	text := fmt.Sprintf(`{"type":"message","ref":%q,"data":%q}`, n.ref, n.ref)
	if n.to != "" {
		text = fmt.Sprintf(`{"type":"message","ref":%q,"to":%q,"data":%q}`, n.ref, n.to, n.ref)
	}
	var e wire.Envelope
	if r := e.Parse([]byte(text)); r != nil {
		panic(r)
	}
	s := wire.NewSuffixes(p.room, p.id)
	if n.audience == actor.ToOne {
		_ = c.node.Do(actor.NewForward(c.client, &e, frame.Forward(&e, &s)))
		return
	}
	parts := actor.ForwardParts{
		Client: c.client, Frame: frame.Forward(&e, &s), Type: e.Type, Ref: e.Ref, Audience: n.audience,
		Pick: actor.Pick{Seed: uint64(len(n.ref)), Nth: uint64(len(n.from.sent) % 2)},
	}
	_ = c.node.Do(parts.Forward())
}
