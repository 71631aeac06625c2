package crowd

import (
	"context"
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

	due     int64    // when it was to connect
	full    bool     // the server speaks the whole protocol: it has said "joined"
	session string   // takes the membership up again; empty: that can't be
	had     uint64   // messages of the membership so far
	token   string   // that it is in with; empty: none
	view    view     // what it has been told of the others
	denials []denial // oldest first, until it is clear whether it is in
	lives   []life   // its memberships, the present one last
	returns bool     // joins again after it has left

	forgotten   int   // memberships before those in lives
	forgottenAt int64 // when the last of them had ended

	lostAt       int64 // when its connection was lost
	orphaned     int64 // until when the server may keep a membership that the member knows nothing of
	backAt       int64 // when it had resumed; what was due before had to wait
	ours         bool  // the connection was cut on purpose
	trying       bool  // a try to resume is scheduled or under way
	pause        int64 // before the next try to resume
	rejoinPause  int64 // before the last try to join again
	refusedSince int64 // when a server or a balancer began to refuse its connection; 0: it did not
	awaited      int   // messages until the list that follows the missed ones; 0: none is awaited
	recuts       uint8 // cuts that are yet to follow, right after it has resumed
	bad          bool  // is on a bad link: a cut is followed by others
	lag          bool  // takes its time to answer a close frame

	out    []flow  // messages to the others, by number; nil: none yet
	spoken uint32  // messages to everybody
	heard  []heard // messages to everybody from the others; nil: none yet

	sent mailbox // what the server has not confirmed yet
}

// Times of a member, in nanoseconds.
const (
	dialTime    = 15 * time.Second
	leaveTime   = 5 * time.Second
	resumeTime  = int64(15 * time.Second)
	resumePause = int64(200 * time.Millisecond) // before the first try to resume; each further one waits twice as long,
	resumeMost  = int64(2 * time.Second)        // and at most this
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
	m.full, m.session, m.had, m.view = false, "", 0, view{}
	m.sent.begin()
	now := m.worker().crowd.now()
	m.born(now)
	m.view.floor = now
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
		conn, err := c.Dialer.Dial(ctx, c.Dialect.URL(c.Target, m.room.name, m.id))
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
	m.trying = false
	if session != "" && m.resumesLater() {
		return
	}
	switch {
	case ours: // that is no fault of the server
	case session == "" && m.dialsAgain():
		return
	case session != "":
		m.fault(SessionLost, "could not connect again: "+err.Error())
		m.excuse()
		if w.traffic.Rejoin {
			m.rejoins()
			return
		}
	default:
		m.fault(NotJoined, err.Error())
	}
	m.gone()
}

// dialsAgain has the member try again to join, where the run expects that connections
// break: a server or a balancer may refuse some while others restart. It reports false
// once that has failed for as long as a resume may take.
func (m *member) dialsAgain() bool {
	w := m.worker()
	if now := w.crowd.now(); m.refusedSince == 0 {
		m.refusedSince = now
	} else if now > m.refusedSince+resumeTime {
		m.refusedSince = 0
		return false
	}
	if w.traffic.Breaks {
		m.rejoins()
	}
	return w.traffic.Breaks
}

// connected takes a new connection into use.
func (m *member) connected(conn *socket.Conn, session string) {
	w := m.worker()
	m.trying = false
	l := &link{member: m, conn: conn, gen: m.gen}
	m.link = l
	w.connections++
	if m.slow {
		conn.SetPace(w.traffic.SlowRate)
	} else if m.turn%timedEvery == 0 {
		conn.TimeReads()
	}
	if m.lag {
		conn.SetCloseLag(lagLeast + time.Duration(w.random.Int64N(int64(lagSpread))))
	}
	w.crowd.running.Go(func() { conn.Serve(l) })
	d := w.crowd.Dialect
	switch {
	case session != "":
		l.resuming = true
		m.askToResume()
	case d.Join != nil:
		conn.Done(d.Join(conn.Append(), m.entry()))
		if d.Settle != nil {
			conn.Done(append(conn.Append(), d.Settle...))
		}
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
	m.rejoinPause, m.refusedSince = 0, 0
	m.life().entered = at
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
		if int(m.number) < len(o.out) && o.out[m.number] != (flow{}) {
			o.out[m.number].away()
		}
	}
	m.closeHeard()
}

// leave ends the membership in the proper way.
func (m *member) leave() {
	if m.state != present || m.link == nil {
		return
	}
	m.away()
	m.is(leaving)
	m.life().ended = m.worker().crowd.now()
	m.undoubted()
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

// rejoins has the member join again after its membership has ended against its will, or
// its join was refused: less and less often.
func (m *member) rejoins() {
	m.rejoinPause = min(max(2*m.rejoinPause, resumePause), resumeMost)
	m.rest(m.rejoinPause, resumePause)
}

// gone ends the membership, whatever it was.
func (m *member) gone() {
	if m.state == present || m.state == lost {
		m.away()
		m.life().ended = m.worker().crowd.now()
		m.undoubted()
	}
	m.is(absent)
	m.gen++
	m.link = nil
	m.view = view{}
	m.recuts, m.trying = 0, false
}

// cut breaks the connection as a network would.
func (m *member) cut() {
	if m.state != present || m.link == nil || m.link.cut {
		return
	}
	m.link.cut = true
	m.worker().tally.Cuts++
	m.link.conn.Cut()
}

// Times of a member on a bad network, in nanoseconds.
const (
	lagLeast    = 50 * time.Millisecond // from a close frame to its answer,
	lagSpread   = 950 * time.Millisecond
	recutSpread = int64(150 * time.Millisecond) // from a resume to the next cut
	recutsMost  = 3
)
