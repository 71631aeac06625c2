package crowd

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-rtc/parley/cmd/soak/internal/socket"
)

// state is where a member stands.
type state uint8

const (
	absent  state = iota
	joining       // connecting, or waiting to be let in
	present
	lost    // in, but without a connection, which is being taken up again
	leaving // its leave is on its way
	resting // not in, and soon to join again
)

// member is a virtual peer. Owned by its room's worker.
type member struct {
	room   *room
	number uint16
	id     string
	turn   int // counts the members of all rooms, from 0

	state state
	gen   uint32 // counts memberships
	link  *link  // its connection; nil: none
	slow  bool   // reads slowly

	due     int64  // when it was to connect
	full    bool   // the server speaks the whole protocol: it has said "joined"
	session string // takes the membership up again; empty: that can't be
	had     uint64 // messages of the membership so far
	token   string // that it is in with; empty: none
	listed  set    // whom the server says to be in
	lostAt  int64
	returns bool // joins again after it has left

	out    []flow  // messages to the others, by number; nil: none yet
	spoken uint32  // messages to everybody
	heard  []heard // messages to everybody from the others; nil: none yet

	unsure []letter // sent since the last ping that was answered
	pinged int      // of those, the ones sent before the ping that is under way
	pingAt int64
}

// Times of a member, in nanoseconds.
const (
	dialTime    = 15 * time.Second
	leaveTime   = 5 * time.Second
	resumeTime  = int64(15 * time.Second)
	resumePause = int64(200 * time.Millisecond)
	confirmTime = int64(time.Second) // between pings that confirm what was sent
)

// timedEvery is how many members there are for each whose reads are timed.
const timedEvery = 16

func (m *member) worker() *worker { return m.room.worker }

// is changes the state, and the counts of states with it.
func (m *member) is(s state) {
	w := m.worker()
	count := func(s state, by int) {
		switch s {
		case joining, resting:
			w.joining += by
		case present:
			w.present += by
			m.room.here += by
		case lost:
			w.lost += by
			m.room.here += by
		}
	}
	count(m.state, -1)
	m.state = s
	count(s, 1)
}

// fault counts one that this member has seen.
func (m *member) fault(kind, text string) {
	c := m.worker().crowd
	c.Faults.Add(kind, Fault{At: c.Now(), To: m.id, Text: m.id + " " + text})
}

// join starts a membership.
func (m *member) join(due int64) {
	if m.state != absent && m.state != resting {
		return
	}
	m.gen++
	m.due = due
	m.returns = false
	m.full, m.session, m.had, m.listed = false, "", 0, nil
	m.unsure, m.pinged = nil, 0
	m.is(joining)
	m.connect("")
}

// connect opens a connection, to take up a session or to join.
func (m *member) connect(session string) {
	w := m.worker()
	c := w.crowd
	gen := m.gen
	c.running.Go(func() {
		select {
		case c.dialing <- struct{}{}:
		case <-c.ctx.Done():
			return
		}
		ctx, cancel := context.WithTimeout(c.ctx, dialTime)
		conn, err := c.Dialer.Dial(ctx, c.Dialect.URL(c.Target, m.id))
		cancel()
		<-c.dialing
		w.mu.Lock()
		defer w.mu.Unlock()
		switch {
		case err != nil:
			m.noConnection(err, gen, session)
		case gen != m.gen || c.stopped.Load():
			conn.Cut()
		default:
			m.connected(conn, session)
		}
	})
}

func (m *member) noConnection(err error, gen uint32, session string) {
	w := m.worker()
	if w.crowd.stopped.Load() || gen != m.gen {
		return
	}
	ours := socket.OutOfDescriptors(err) || socket.OutOfPorts(err)
	if ours {
		w.crowd.limits.Add(1)
	}
	if session != "" && w.crowd.now() < m.lostAt+resumeTime {
		w.wheel.add(w.crowd.now()+resumePause, event{do: resume, member: m, gen: m.gen})
		return
	}
	switch {
	case ours: // that is no fault of the server
	case session != "":
		m.fault(Broken, "could not connect again: "+err.Error())
	default:
		m.fault(NotJoined, err.Error())
	}
	m.gone()
}

// connected takes a new connection into use.
func (m *member) connected(conn *socket.Conn, session string) {
	w := m.worker()
	l := &link{member: m, conn: conn, gen: m.gen}
	m.link = l
	w.connections++
	if m.slow {
		conn.SetPace(w.traffic.SlowRate)
	} else if m.turn%timedEvery == 0 {
		conn.TimeReads()
	}
	w.crowd.running.Go(func() { conn.Serve(l) })
	d := w.crowd.Dialect
	switch {
	case session != "":
		conn.Done(fmt.Appendf(conn.Append(), `{"type":"resume","session":%q,"received":%d}`, session, m.had))
	case d.Join != nil:
		conn.Done(d.Join(conn.Append(), m.entry()))
	}
	conn.Flush()
	m.beat(w.crowd.now())
}

// beat schedules the heartbeat, where the dialect has one.
func (m *member) beat(now int64) {
	if d := m.worker().crowd.Dialect; d.Heartbeat != nil {
		m.worker().wheel.add(now+int64(d.HeartbeatEvery), event{do: heartbeat, member: m, gen: m.gen})
	}
}

// entered notes that the server has let the member in.
func (m *member) entered(at int64) {
	if m.state != joining {
		return
	}
	m.is(present)
	w := m.worker()
	w.tally.Joins++
	record(w.tally.Join, at-m.due)
	for _, o := range m.room.members {
		if int(m.number) < len(o.out) {
			o.out[m.number].back()
		}
	}
	m.heard = nil
	for _, o := range m.room.members {
		if o.spoken > 0 && o != m {
			m.hears(o).start = o.spoken
		}
	}
}

// hears returns the account of another's messages to everybody.
func (m *member) hears(o *member) *heard {
	if int(o.number) >= len(m.heard) {
		m.heard = append(m.heard, make([]heard, len(m.room.members)-len(m.heard))...)
	}
	return &m.heard[o.number]
}

// away notes that from now on messages to the member may be lost.
func (m *member) away() {
	for _, o := range m.room.members {
		if int(m.number) < len(o.out) {
			o.out[m.number].away()
		}
	}
	m.heard = nil
}

// leave ends the membership in the proper way.
func (m *member) leave() {
	if m.state != present || m.link == nil {
		return
	}
	m.away()
	m.is(leaving)
	w := m.worker()
	w.tally.Leaves++
	if leave := w.crowd.Dialect.Leave; leave != nil {
		m.link.conn.Done(append(m.link.conn.Append(), leave...))
	}
	m.link.conn.Close(leaveTime)
}

// rest ends the membership for a time.
func (m *member) rest(least, spread int64) {
	m.gone()
	m.is(resting)
	w := m.worker()
	w.wheel.add(w.crowd.now()+least+w.random.Int64N(spread), event{do: join, member: m, gen: m.gen})
}

// gone ends the membership, whatever it was.
func (m *member) gone() {
	if m.state == present || m.state == lost {
		m.away()
	}
	m.is(absent)
	m.gen++
	m.link = nil
	m.listed = nil
}

// cut breaks the connection as a network would.
func (m *member) cut() {
	if m.state != present || m.link == nil {
		return
	}
	m.worker().tally.Cuts++
	m.link.conn.Cut()
}
