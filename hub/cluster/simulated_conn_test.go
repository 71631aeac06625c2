//go:build !race

package cluster

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// membership is what a simulated client knows of one stay in a room, from join to leave
// or loss, over any number of connections. Guarded by simulation.mu.
type membership struct {
	name      string // unique
	id, room  string
	resumable bool
	session   string
	joined    time.Time // zero: not yet
	refused   bool      // it was never in
	ended     bool
	away      time.Time // since when it has no connection; zero: it has one
	received  uint64    // messages, since and including joined
	sent      []*note
	had       []*note           // messages of others, in the order in which they came
	answers   map[string]string // ref → code of the error, or "pong"
	members   []string          // of the last list, with all changes since
	changes   bool              // it is told of changes
	listed    bool              // it has had a list
	listedAt  time.Time         // when the last list or change came
	locked    bool              // the room is, as of then
	moderates bool
	kickedAt  time.Time // when somebody began to remove it; zero: nobody has
}

// note is a message that a simulated client has sent.
type note struct {
	from *membership
	ref  string
	to   string // "": everybody; nobody: nobody has this id
	ping bool   // it is answered with a pong
	does string // "": it is a message; "renew", "kick", "lock", "unlock"
	// Of one to everybody: it is for its sender, too, or it is for any one of the others.
	audience actor.Audience
	at       time.Time
}

// forwarded reports whether it goes to other members.
func (n *note) forwarded() bool { return !n.ping && n.does == "" }

// simulatedConn is one connection. Guarded by simulation.mu, but for what is set before
// start.
type simulatedConn struct {
	s      *simulation
	node   *Node
	name   string // of the node
	client *actor.Client
	out    actor.Outbox
	m      *membership

	cut    bool // nothing comes through any more
	closed wire.CloseCode
	code   string // of the last error
	// resend is what is to be sent again after a resume.
	handled uint64
	resumed bool
	resumes bool // it has been opened to resume
	expect  int  // missed messages that are to come
}

// Wake implements actor.Writer.
func (c *simulatedConn) Wake() { go c.write() }

// Closing implements actor.Writer.
func (c *simulatedConn) Closing() {}

// Probe implements actor.Writer.
func (c *simulatedConn) Probe() {}

// Challenge implements actor.Writer.
func (c *simulatedConn) Challenge(time.Duration) {}

// Abort implements actor.Writer.
func (c *simulatedConn) Abort() {}

func (c *simulatedConn) write() {
	for {
		frames, skip := c.out.Take(nil, 1)
		if len(frames) == 0 {
			return
		}
		c.s.mu.Lock()
		if !c.cut {
			c.read(frames[0])
		}
		c.s.mu.Unlock()
		if more, _ := c.out.Wrote(frames[0].Size()-skip, time.Now()); !more {
			return
		}
	}
}

// read takes what comes to the client. The caller holds mu.
func (c *simulatedConn) read(f *frame.Frame) {
	switch {
	case f.IsPing():
		c.out.Acknowledged()
		go c.node.Acknowledged(c.client)
		return
	case !f.IsMessage():
		c.closed = wire.CloseCode(f.Payload()[0])<<8 | wire.CloseCode(f.Payload()[1])
		return
	}
	var m struct {
		Type, From, Code, Ref, Session string
		Members, Joined, Left          []string
		Rejoined                       []string
		Count                          int
		Missed                         int
		Handled                        uint64
		Data                           string
		Locked                         *bool
	}
	if err := json.Unmarshal(f.Payload(), &m); err != nil {
		c.s.fault("%s: %v", f.Payload(), err)
		return
	}
	k := c.m
	if k == nil || k.ended {
		return
	}
	if m.Type == "error" && (m.Ref == "join" || m.Ref == "resume") {
		c.code = m.Code
		c.s.trace("%s is refused at %s: %s", k.name, c.name, m.Code)
		return
	}
	if k.joined.IsZero() && m.Type != "joined" {
		return // still of the membership that it has left
	}
	k.received++
	c.s.trace("%s had %d: %s", k.name, k.received, f.Payload())
	if c.expect > 0 {
		c.expect--
	}
	switch m.Type {
	case "joined":
		k.joined, k.session = time.Now(), m.Session
	case "resumed":
		c.handled, c.resumed, c.expect, k.away = m.Handled, true, m.Missed, time.Time{}
	case "room_members":
		c.s.checkFlaps(k, m.Members)
		k.members, k.listed, k.listedAt = m.Members, true, time.Now()
		k.locked = m.Locked != nil && *m.Locked
	case "room_changes":
		before := slices.Clone(k.members)
		if err := k.changed(m.Joined, m.Left, m.Rejoined, m.Count); err != nil {
			c.s.fault("%s, who knows of %v, had %s: %v", k.name, k.members, f.Payload(), err)
		}
		now := k.members
		k.members = before
		c.s.checkFlaps(k, now)
		k.members, k.listedAt = now, time.Now()
		if m.Locked != nil {
			k.locked = *m.Locked
		}
	case "message":
		n := c.s.notes[m.Data]
		if n == nil || n.from.id != m.From {
			c.s.fault("%s had %s, which nobody has sent", k.name, f.Payload())
			return
		}
		if !slices.Contains(k.members, m.From) {
			c.s.fault("%s, who knows of %v, had %s of a stranger", k.name, k.members, f.Payload())
		}
		switch own := n.from == k; {
		case !own:
			k.had = append(k.had, n)
		case n.audience != actor.ToAll || m.Count == 0:
			c.s.fault("%s had %s, which it has sent", k.name, f.Payload())
		}
	case "error", "pong":
		code := m.Code
		if m.Type == "pong" {
			code = "pong"
		}
		if before := k.answers[m.Ref]; before != "" {
			c.s.fault("%s had two answers to %s: %s and %s", k.name, m.Ref, before, code)
		}
		k.answers[m.Ref] = code
	}
}

// changed has a member learn what has changed in its room. The error says what is wrong
// with that.
func (m *membership) changed(joined, left, rejoined []string, count int) error {
	if !m.changes || !m.listed {
		return fmt.Errorf("it takes changes: %v, has had a list: %v", m.changes, m.listed)
	}
	for _, id := range slices.Concat(left, rejoined) {
		if !slices.Contains(m.members, id) {
			return fmt.Errorf("%s was not there", id)
		}
	}
	m.members = slices.DeleteFunc(slices.Clone(m.members), func(id string) bool { return slices.Contains(left, id) })
	for _, id := range joined {
		if slices.Contains(m.members, id) {
			return fmt.Errorf("%s was there", id)
		}
		m.members = append(m.members, id)
	}
	slices.Sort(m.members)
	if len(m.members) != count {
		return fmt.Errorf("there are %d", len(m.members))
	}
	return nil
}
