//go:build !race

package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parley-rtc/parley/hub/internal/actor"
)

// check sees that every promise was kept.
func (s *simulation) check(clients []*simulatedClient) {
	s.mu.Lock()
	defer s.mu.Unlock()
	present := map[string][]string{}
	for _, p := range clients {
		switch {
		case p.conn == nil || p.m == nil || p.conn.cut:
			s.fault("%s is in no room at the end", p.id)
		default:
			present[p.room] = append(present[p.room], p.id)
		}
	}
	for _, p := range clients {
		if p.m == nil {
			continue
		}
		slices.Sort(present[p.room])
		if p.m.locked {
			s.fault("%s was last told that the room is locked, and it is not", p.m.name)
		}
		if !slices.Equal(p.m.members, present[p.room]) {
			s.fault("%s was last told that %v are there, but %v are", p.m.name, p.m.members, present[p.room])
		}
	}
	if s.gentle && s.expired.Load() > 0 {
		s.fault("%d sessions were lost", s.expired.Load())
	}
	byRoom := map[string][]*membership{}
	for _, m := range s.stays {
		if !m.joined.IsZero() {
			byRoom[m.room] = append(byRoom[m.room], m)
		}
	}
	for _, all := range byRoom {
		for _, from := range all {
			s.checkAnswers(from)
			for _, to := range all {
				if from != to {
					s.checkPair(from, to)
				}
			}
		}
	}
	for name, n := range s.nodes {
		s.checkQueues(name, n)
	}
}

// checkFlaps sees that a list does not drop anybody who has been there since before the list
// that came last. Lists may be read long after they were made, so whoever has ever left and
// come back is not looked at. The caller holds mu.
func (s *simulation) checkFlaps(to *membership, members []string) {
	if !s.gentle {
		return
	}
	for _, id := range to.members {
		if slices.Contains(members, id) {
			continue
		}
		var stays []*membership
		for _, m := range s.stays {
			if m.id == id && m.room == to.room && !m.refused { // who has come again before it was answered may have been in
				stays = append(stays, m)
			}
		}
		if len(stays) == 1 && !stays[0].joined.IsZero() && (stays[0].away.IsZero() || time.Since(stays[0].away) < window) && stays[0].resumable && !stays[0].ended && stays[0].kickedAt.IsZero() && stays[0].joined.Before(to.listedAt) {
			s.fault("%s was told that %s has left, and it has not", to.name, stays[0].name)
		}
	}
}

// checkAnswers sees that every message that needs an answer has had one.
func (s *simulation) checkAnswers(m *membership) {
	for _, n := range m.sent {
		answer := m.answers[n.ref]
		switch {
		case answer == "pong" && !n.ping || n.ping && answer != "pong" && answer != "" && answer != "unavailable":
			s.fault("%s was answered with %q", n.ref, answer)
		case m.ended || answer != "" || !m.kickedAt.IsZero():
		case n.ping || n.to == nobody:
			s.fault("%s, sent at %.3fs, was never answered", n.ref, n.at.Sub(s.begun).Seconds())
		}
	}
}

// checkPair sees that a member has had what another has sent it: once, in order, without
// gaps, and all of it if both are there still.
func (s *simulation) checkPair(from, to *membership) {
	var had []*note
	for _, n := range to.had {
		if n.from == from {
			had = append(had, n)
		}
	}
	i := 0
	for _, n := range from.sent {
		if !n.forwarded() || n.to != "" && n.to != to.id {
			continue
		}
		refused := from.answers[n.ref] != ""
		if i < len(had) && had[i] == n {
			i++
			if refused && !to.ended {
				s.fault("%s had %s, which was refused with %s", to.name, n.ref, from.answers[n.ref])
			}
			continue
		}
		if n.audience == actor.ToAny {
			continue // another has had it, or there is none
		}
		// to had been told that it is in before this was sent.
		due := n.at.After(to.joined) && !refused && to.kickedAt.IsZero()
		if due && (i < len(had) || !from.ended && !to.ended) {
			s.fault("%s has not had %s, sent at %.3fs", to.name, n.ref, n.at.Sub(s.begun).Seconds())
			return
		}
	}
	if i < len(had) {
		s.fault("%s had %s twice or out of order: %s", to.name, had[i].ref, refs(had))
	}
}

func refs(notes []*note) string {
	var b strings.Builder
	for _, n := range notes {
		fmt.Fprint(&b, n.ref, " ")
	}
	return b.String()
}

// checkQueues sees that nothing waits in a node.
func (s *simulation) checkQueues(name string, n *Node) {
	if waiting := n.Figures().Waiting; waiting > 0 {
		s.fault("node %s: %d bytes wait on links", name, waiting)
	}
	n.call(n.toEdge, func() {
		for _, t := range n.edge.clients {
			if len(t.pending.all()) > 0 {
				s.fault("node %s: %d commands of %s wait", name, len(t.pending.all()), t.member.ID)
			}
		}
	})
	n.call(n.post, func() {
		c := &n.control.owner.confirmations
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.queues)+len(c.waiting) > 0 {
			s.fault("node %s: confirmations wait", name)
		}
	})
}

// describe tells of a node that does not get ready what it waits for.
func (s *simulation) describe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, n := range s.nodes {
		if n.Ready() {
			continue
		}
		s.trace("%s is not ready; available %v, deaf %v", name, n.available(), n.deaf.Load())
		n.call(n.post, func() {
			c := &n.control
			s.trace("%s is %s, incarnation %d, lost %v, held %v", name, c.says(), c.incarnation, c.lease.isLost(), c.lease.held)
			for other, v := range c.nodes {
				s.trace("%s knows %s: %+v, linked %v", name, other, v.entry, v.link != nil)
			}
			for p := range c.parts {
				o := &c.owner.parts[p]
				if o.state == partReady {
					continue
				}
				waiting := ""
				for l := range o.waiting {
					waiting += l.node + " "
				}
				s.trace("%s: partition %d is %+v, state %d, epoch %d, waits for %s, moves %v, claiming %v, started %v", name, p, c.parts[p].entry, o.state, o.epoch, waiting, c.parts[p].move, c.parts[p].claiming, c.parts[p].started)
			}
		})
		n.call(n.toEdge, func() {
			for p := range n.edge.parts {
				if e := &n.edge.parts[p]; !e.ready {
					owner, next := "", ""
					if e.owner != nil {
						owner = e.owner.node
					}
					if e.next != nil {
						next = e.next.node
					}
					s.trace("%s: the edge is not ready for %d: owner %q, epoch %d, next %q", name, p, owner, e.epoch, next)
				}
			}
		})
	}
}
