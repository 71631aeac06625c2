package actor

import (
	"fmt"

	"pgregory.net/rapid"

	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// join is that of another member, which a client is to be told of.
type join struct {
	client  *modelClient // the connection that there was
	arrived int          // messages that were on their way to it, and cannot tell of the join
}

func (m *model) join() {
	c := m.pick()
	if c == nil {
		return
	}
	room, id := roomNames.Draw(m.t, "room"), ids.Draw(m.t, "id")
	session := ""
	if rapid.Bool().Draw(m.t, "resumable") {
		session = NewSession(0)
	}
	subject, takeover := rapid.Bool().Draw(m.t, "subject"), rapid.Bool().Draw(m.t, "takeover")
	key := rapid.SampledFrom([]string{"", "k", "l"}).Draw(m.t, "key")
	m.sent++
	ref := fmt.Sprint("join ", m.sent)
	moderator := rapid.Bool().Draw(m.t, "moderator")
	in := false
	holder := m.find(room, id)
	replaces := holder != nil && (takeover && subject && holder.subject || key != "" && key == holder.key)
	switch {
	case c.member != nil:
		c.expect("already_joined")
	case holder != nil && !replaces:
		c.expect("duplicate_id")
	case m.locked[room] && !moderator && !replaces:
		c.expect("room_locked")
	default:
		in = true
		c.member = &modelMember{
			room: room, id: id, ref: ref, client: c, session: session, moderator: moderator, subject: subject,
			handled: 1, changes: rapid.Bool().Draw(m.t, "changes"), quiet: rapid.Bool().Draw(m.t, "quiet"), key: key, joins: map[string][]join{},
			entered: map[string][]int{}, learned: map[string]int{},
		}
		m.announce(c.member)
		c.member.expected, c.expected = append(c.expected, ref), nil
		m.members = append(m.members, c.member)
		if replaces {
			m.replace(holder)
		}
	}
	grant := &Grant{Rights: wire.DefaultRights}
	if subject {
		grant.Subject = id
	}
	if moderator {
		grant.Rights |= wire.MayModerate
	}
	done := make(chan bool, 1)
	m.do(&Join{
		Client: c.Client, Room: room, ID: id, Session: session, Grant: grant, Takeover: takeover, Done: done,
		Changes: in && c.member.changes, Quiet: in && c.member.quiet, Key: key,
		Welcome: frame.Text((&wire.Joined{Room: room, From: id, Session: session, Ref: ref}).Text()),
	})
	if got := <-done; got != in {
		m.t.Fatalf("join of %s as %s: %v, the model says %v", room, id, got, in)
	}
	if in && c.member != nil {
		c.member.real = c.Client.member
	}
}

// announce notes that the others are to be told of a join.
func (m *model) announce(joiner *modelMember) {
	for _, mm := range m.members {
		if mm.room != joiner.room || mm == joiner {
			continue
		}
		j := join{client: mm.client}
		if mm.client != nil {
			j.arrived = mm.client.arrived + len(mm.client.inFlight)
		}
		mm.joins[joiner.id] = append(mm.joins[joiner.id], j)
		mm.entered[joiner.id] = append(mm.entered[joiner.id], m.sent)
	}
}

// replace takes a member's place. The others are told anew, though the ids are the
// same.
func (m *model) replace(holder *modelMember) {
	for _, mm := range m.members {
		if mm.room == holder.room && mm != holder {
			mm.newList = true
		}
	}
	m.remove(holder)
}

// update changes a nickname and a profile.
func (m *model) update() {
	c := m.pick()
	if c == nil {
		return
	}
	name := rapid.SampledFrom([]string{"", "N", "M"}).Draw(m.t, "name")
	meta := rapid.SampledFrom([]string{"", "1", `{"a":[]}`}).Draw(m.t, "meta")
	if mm := c.member; mm != nil {
		mm.name, mm.meta = name, meta
		mm.handled += 2
	} else {
		c.expect("not_joined")
		c.expect("not_joined")
	}
	m.do(&Rename{Client: c.Client, Name: name})
	if c.Client.closed {
		return
	}
	u := &Update{Client: c.Client}
	if meta != "" {
		u.Meta = []byte(meta)
	}
	m.do(u)
}

// kick removes a member, of whoever's connection.
func (m *model) kick() {
	c := m.pick()
	if c == nil {
		return
	}
	to := ids.Draw(m.t, "kicked")
	var target *modelMember
	if m.mayOrder(c) {
		if target = m.find(c.member.room, to); target == nil {
			c.expect("target_not_found")
		} else {
			c.member.handled++
		}
	}
	k := &Kick{To: to}
	k.Client = c.Client
	if target != nil && target.client == nil {
		m.remove(target)
	}
	m.do(k)
}

func (m *model) lock() {
	c := m.pick()
	if c == nil {
		return
	}
	k := &Lock{Locked: rapid.Bool().Draw(m.t, "locked")}
	k.Client = c.Client
	if m.mayOrder(c) {
		m.locked[c.member.room] = k.Locked
		c.member.handled++
	}
	m.do(k)
}

// mayOrder reports whether a client may give orders, or what it is answered.
func (m *model) mayOrder(c *modelClient) bool {
	switch {
	case c.member == nil:
		c.expect("not_joined")
	case !c.member.moderator:
		c.expect("forbidden")
	default:
		return true
	}
	return false
}

func (m *model) leave() {
	c := m.pick()
	if c == nil {
		return
	}
	if c.member != nil {
		m.remove(c.member)
	}
	m.do(Leave{c.Client})
}
