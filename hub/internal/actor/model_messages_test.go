package actor

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// send forwards to one, to all or to anybody, now and then a lot.
func (m *model) send() {
	c := m.pick()
	if c == nil {
		return
	}
	to := rapid.SampledFrom([]string{"", everybody, anybody, "a", "b", "c", "d", "e", "nobody"}).Draw(m.t, "to")
	for range rapid.SampledFrom([]int{1, 1, 1, 30}).Draw(m.t, "times") {
		if c.Client.closed {
			return
		}
		m.sendOne(c, to)
	}
}

func (m *model) sendOne(c *modelClient, to string) {
	m.sent++
	data := fmt.Sprint(m.sent)
	text := fmt.Sprintf(`{"type":"message","to":%q,"data":%s}`, to, data)
	toAll := to == "" || to == everybody
	if toAll || to == anybody {
		text = fmt.Sprintf(`{"type":"message","data":%s}`, data)
	}
	pick := Pick{Seed: uint64(m.sent) << 30, Nth: uint64(m.sent % 3)}
	var room, id string
	var receivers []*modelMember
	from := c.member
	switch {
	case from == nil:
		c.expect("not_joined")
	case toAll:
		room, id = from.room, from.id
		for _, mm := range m.members {
			if mm.room == from.room && (mm != from || to == everybody) {
				receivers = append(receivers, mm)
			}
		}
		if to == everybody {
			data = fmt.Sprint(data, " of ", len(receivers))
		}
	case to == anybody:
		room, id = from.room, from.id
		if chosen := pick.of(from.real); chosen != nil {
			receivers = append(receivers, m.find(room, chosen.id))
		}
	default:
		room, id = from.room, from.id
		if mm := m.find(room, to); mm != nil {
			receivers = append(receivers, mm)
		} else {
			c.expect("target_not_found")
		}
	}
	// Whether the hub finds the message too much is looked up, and held against what
	// the model knows, before the message can have any effect in the model.
	var e wire.Envelope
	if r := e.Parse([]byte(text)); r != nil {
		m.t.Fatal(r)
	}
	s := wire.NewSuffixes(room, id)
	congested := &m.loop.hub.Stats.Refusals[wire.CodeCongested]
	before := congested.Load()
	m.look()
	m.sender = c.sender
	f := NewForward(c.Client, &e, frame.Forward(&e, &s))
	switch f.pick = pick; to {
	case everybody:
		f.audience = ToAll
	case anybody:
		f.audience = ToAny
	}
	m.loop.apply(f)
	if congested.Load() > before {
		m.mayRefuse(c, receivers, toAll)
		c.expect("congested")
	} else if len(receivers) > 0 || from != nil && (toAll || to == anybody) {
		from.handled++
		for _, mm := range receivers {
			mm.expected = append(mm.expected, data)
		}
	}
	m.dropClosed()
}

// count asks how many members a room has, and how many have a profile.
func (m *model) count() {
	c := m.pick()
	if c == nil {
		return
	}
	meta := rapid.SampledFrom([]string{"", "1", "2"}).Draw(m.t, "counted")
	if mm := c.member; mm == nil {
		c.expect("not_joined")
	} else {
		all, alike := 0, 0
		for _, other := range m.members {
			if other.room == mm.room {
				all++
				if other.meta == meta {
					alike++
				}
			}
		}
		c.expect(fmt.Sprint("counted ", all, " ", alike))
	}
	m.do(&Count{Client: c.Client, Frame: frame.Text([]byte(`{"type":"counted"}`)), Meta: []byte(meta)})
}

// mayRefuse fails if nothing of what c has sent waits for a receiver, and there is no
// bound on copies.
func (m *model) mayRefuse(c *modelClient, receivers []*modelMember, toAll bool) {
	if m.loop.options.FanOut > 0 {
		return
	}
	if toAll {
		if !slices.ContainsFunc(receivers, func(mm *modelMember) bool { return mm.client == nil }) {
			m.t.Fatalf("a message to the whole room was refused although all are connected")
		}
		return
	}
	for _, mm := range receivers {
		o := mm.real.out.(*Outbox)
		if _, waits := m.before[o][c.sender]; waits || m.wasCounted[o] > 3*o.limit/4 {
			return
		}
	}
	m.t.Fatalf("a message was refused as congested although nothing of its sender waits")
}
