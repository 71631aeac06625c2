package actor

import (
	"maps"
	"slices"

	"pgregory.net/rapid"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

// dropClosed finds out whom the hub has closed, which may bring it to close others.
func (m *model) dropClosed() {
	closed := func(c *modelClient) bool { return c.Client.closed }
	for i := slices.IndexFunc(m.clients, closed); i >= 0; i = slices.IndexFunc(m.clients, closed) {
		m.drop(m.clients[i])
	}
	// So have those without a connection whose queue was full.
	for _, mm := range slices.Clone(m.members) {
		if mm.client == nil && mm.real.room == nil {
			m.mayOverflow(mm.real.out.(*Outbox), mm.id+" in "+mm.room)
			m.remove(mm)
		}
	}
}

// mayOverflow fails if a queue overflowed that only one has sent to: no sender may
// cost a receiver its connection or its session.
func (m *model) mayOverflow(o *Outbox, who string) {
	senders := map[uint64]bool{m.sender: true}
	for sender, counts := range m.before[o] {
		senders[sender] = senders[sender] || counts
	}
	if m.wasShared[o] > o.allowance()-o.limit {
		return // it has not read what whole rooms were sent, for long
	}
	maps.DeleteFunc(senders, func(_ uint64, counts bool) bool { return !counts })
	if len(senders) < 2 {
		m.t.Fatalf("%s was evicted because of one sender", who)
	}
}

// drop forgets a client whose connection the hub has closed. Its membership ends
// with the batch.
func (m *model) drop(c *modelClient) {
	m.clients = slices.DeleteFunc(m.clients, func(x *modelClient) bool { return x == c })
	if c.box.CloseCode() == wire.CloseSlowConsumer && !c.mayStall && !m.before[c.box][c.sender] {
		m.mayOverflow(c.box, "a client")
	}
	if c.member != nil {
		m.remove(c.member)
	}
	m.unregister(c)
}

// unregister is the end of a connection: its writer finds out too.
func (m *model) unregister(c *modelClient) {
	m.loop.apply(Unregister{c.Client, event.ReasonLost})
	c.box.Failed()
}

// lose cuts a connection: what is in flight never arrives.
func (m *model) lose() {
	c := m.pick()
	if c == nil {
		return
	}
	m.clients = slices.DeleteFunc(m.clients, func(x *modelClient) bool { return x == c })
	if mm := c.member; mm != nil && mm.session != "" {
		mm.client = nil
		mm.lostTimes++
	} else if mm != nil {
		m.remove(mm)
	}
	m.unregister(c)
}

// resume takes up a membership, of a lost connection or of one that is alive.
func (m *model) resume() {
	var resumable []*modelMember
	for _, mm := range m.members {
		if mm.session != "" && mm.begun {
			resumable = append(resumable, mm)
		}
	}
	if len(resumable) == 0 {
		return
	}
	mm := rapid.SampledFrom(resumable).Draw(m.t, "resumed")
	c := m.connect()
	if old := mm.client; old != nil {
		old.member = nil
		m.clients = slices.DeleteFunc(m.clients, func(x *modelClient) bool { return x == old })
		defer m.unregister(old)
	}
	missed, kept := mm.real.out.Missed(uint64(mm.received))
	releaseAll(missed)
	if !kept {
		// More is forgotten than has arrived, which a small queue allows.
		c.expect("session_expired")
		m.remove(mm)
		done := make(chan Resumed, 1)
		m.do(&Resume{Client: c.Client, Session: mm.session, Received: uint64(mm.received), Done: done})
		if r := <-done; r.ID != "" || mm.real.room != nil {
			m.t.Fatalf("%s in %s was resumed, although messages are forgotten", mm.id, mm.room)
		}
		return
	}
	mm.client, c.member, c.resuming = c, mm, true
	done := make(chan Resumed, 1)
	m.do(&Resume{Client: c.Client, Session: mm.session, Received: uint64(mm.received), Done: done})
	if r := <-done; r.ID != mm.id || r.Room != mm.room || r.Handled != mm.handled {
		m.t.Fatalf("%s in %s was resumed after %d messages as %+v; %d were handled", mm.id, mm.room, mm.received, r, mm.handled)
	}
}

// tooFar asks for a session with more messages than there were. Nothing may come of
// it.
func (m *model) tooFar() {
	c := m.pick()
	if c == nil || len(m.members) == 0 {
		return
	}
	mm := rapid.SampledFrom(m.members).Draw(m.t, "lied about")
	if mm.session == "" {
		return
	}
	if c.member != nil {
		c.expect("already_joined")
	} else {
		c.expect("session_expired")
	}
	m.do(&Resume{Client: c.Client, Session: mm.session, Received: 1 << 40})
}

// goAway is a close frame with 1001 from a client, or a proxy.
func (m *model) goAway() {
	c := m.pick()
	if c == nil {
		return
	}
	mm := c.member
	stays := mm != nil && mm.session != ""
	m.clients = slices.DeleteFunc(m.clients, func(x *modelClient) bool { return x == c })
	if stays {
		mm.client = nil
		mm.lostTimes++
	} else if mm != nil {
		m.remove(mm)
	}
	done := make(chan bool, 1)
	m.do(&GoAway{c.Client, done})
	if <-done != stays {
		m.t.Fatalf("the membership stays: %v, the model says the opposite", !stays)
	}
	m.unregister(c)
}

// stall is a look at a queue of which nothing has been read for a while.
func (m *model) stall() {
	c := m.pick()
	if c == nil || c.member == nil {
		return
	}
	c.mayStall = true
	m.do(watch{c.member.real, c.box, c.box.Mark()})
	c.mayStall = false
}

// catchUp applies what other goroutines have handed over.
func (m *model) catchUp() {
	late := m.late
	m.late = nil
	for _, c := range late {
		m.do(c)
	}
}

// expire lets the time of a lost connection run out.
func (m *model) expire() {
	for _, mm := range m.members {
		if mm.client == nil {
			m.remove(mm)
			m.do(expire{mm.real, mm.lostTimes})
			return
		}
	}
}
