package cluster

import (
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// edgeClient is a connection and what binds it to a room. It is owned by the edge loop.
type edgeClient struct {
	client  *actor.Client
	out     *actor.Outbox
	opened  time.Time
	touched bool
	gone    bool // the connection has ended
	closed  bool // the client gets nothing more
	watched bool // more than its limit waits: it is looked at again

	// A local connection: see edge_local.go. hub is nil once that is no owner any more.
	hub         *actor.Hub
	fences      int   // that are on their way through the hub
	behind      []any // commands that wait for them
	behindBytes int

	state  clientState
	key    uint64 // of this membership
	part   int
	member actor.Membership
	had    uint64 // number of the last message of a resumable membership that has come
	// aside is what comes for a membership that goes on without its connection; nil: it
	// has one.
	aside *kept
	// detached is the session of the membership that goes on; empty: there is none, or its
	// client has left.
	detached string
	leaves   bool // its client left before it knew that it is in
	// lost says that the membership goes on only if its owner has kept what has been sent
	// to it: other nodes have taken this one for lost.
	lost bool
	// seen has for each other membership the last of its messages that has come.
	seen *actor.Seen

	seq           uint64 // of the last command of this membership; the first is 1
	confirmed     uint64 // of the last command that is known to be settled
	again         uint64 // of the last command that was sent with the membership to its owner
	before        uint64 // messages that were handled before number 1 of this connection, less resume
	pending       queue[pending]
	bytes         int  // of memory, of pending
	gen           int  // changes when pending is sent anew
	early         bool // the join or resume was confirmed before its result has arrived
	deferred      []actor.Command
	deferredBytes int
	join          *actor.Join   // that the owner has been sent, until it is answered; nil: none
	resume        *actor.Resume // likewise
	joined        chan<- bool
	resumed       chan<- actor.Resumed
}

type clientState int

const (
	clientOut     clientState = iota // in no room
	clientJoining                    // has asked to join or resume
	clientIn                         // is a member
	clientLeaving                    // has asked to leave
	clientEnding                     // the owner is told that the connection has ended
	clientLocal                      // the hub of this node knows more
	clientOver                       // the owner has ended the membership and the connection
)

// pending is a command that may have to be sent again: it is not known to be settled.
type pending struct {
	seq      uint64
	record   []byte
	answered bool // its one effect has arrived
	returned bool // the owner has not carried it out
	end      bool // it may be the last of the connection
}

// enter puts a client into a partition and a room, under a key of its own.
func (e *edge) enter(t *edgeClient, p int, room string) {
	e.nextKey++
	t.key, t.part, t.gen, t.seen = e.nextKey, p, t.gen+1, actor.NewSeen(e.n.resumeWindow())
	t.seq, t.confirmed, t.again, t.before, t.had = 0, 0, 0, 0, 0
	t.lost, t.early = false, false
	e.forgetPending(t)
	e.keys[t.key] = t
	e.parts[p].clients[t] = struct{}{}
	e.visit(t, room)
}

// visit counts a client in a room.
func (e *edge) visit(t *edgeClient, room string) {
	t.member.Room = room
	if room == "" {
		return
	}
	r := e.rooms[room]
	if r == nil {
		r = &edgeRoom{meta: actor.RoomMeta{Room: room}}
		e.rooms[room] = r
	}
	r.clients++
}

// exit undoes enter.
func (e *edge) exit(t *edgeClient) {
	if t.state == clientOut {
		return
	}
	delete(e.keys, t.key)
	delete(e.parts[t.part].clients, t)
	if r := e.rooms[t.member.Room]; r != nil {
		if r.clients--; r.clients == 0 {
			delete(e.rooms, t.member.Room)
		}
	}
	t.state, t.member = clientOut, actor.Membership{}
	t.gen++
	t.seen = nil
	e.forgetPending(t)
	t.answered()
	if t.aside != nil {
		t.aside.begin(0, nil)
		t.aside = nil
	}
}

// forgetPending lets go of all commands of a client.
func (e *edge) forgetPending(t *edgeClient) {
	for _, c := range t.pending.all() {
		e.spare.put(c.record)
	}
	t.pending.drop(len(t.pending.all()))
	t.bytes = 0
}

// forget lets go of a connection that has ended.
func (e *edge) forget(t *edgeClient) {
	e.exit(t)
	t.out.Discard()
	delete(e.clients, t.client)
	e.n.connections.Add(-1)
}

// giveBack notes that a command has not been carried out.
func (t *edgeClient) giveBack(seq uint64) {
	for i, c := range t.pending.all() {
		if c.seq == seq {
			t.pending.all()[i].returned = true
		}
	}
}

// answered lets go of the join or resume that the owner has answered.
func (t *edgeClient) answered() {
	if t.join != nil {
		t.join.Welcome.Release()
	}
	t.join, t.resume = nil, nil
}

// answer notes that a command has been answered: it has no effect on others.
func (t *edgeClient) answer(seq uint64) {
	for i, c := range t.pending.all() {
		if c.seq == seq {
			t.pending.all()[i].answered = true
			return
		}
	}
}

// kept returns what the client of a resumable membership is not known to have, with a
// reference to each.
func (t *edgeClient) kept() (had uint64, frames []*frame.Frame) {
	switch {
	case t.member.Session == "":
		return 0, nil
	case t.aside == nil && t.closed:
		return t.had, nil // the membership is about to end: nobody will ask
	case t.aside == nil:
		return t.out.Kept()
	}
	frames, _ = t.aside.beyond(t.aside.had)
	return t.aside.had, frames
}

// deliver queues a frame for a connection, or closes it if it does not read.
func (e *edge) deliver(t *edgeClient, f *frame.Frame) {
	switch {
	case t.aside != nil && f.IsMessage():
		t.aside.add(f)
		if t.aside.bytes > e.n.options.QueueBytes && t.state == clientEnding {
			e.end(t, event.ReasonSlow, false)
		}
		return
	case t.closed:
		f.Release()
		return
	}
	e.touch(t)
	if !t.out.Pass(f) {
		e.evict(t)
		return
	}
	e.watch(t)
}

// watch looks at a connection again after StallTime if more waits for it than its limit: as much
// as that must be written by then, as for a client of the owner's own node.
func (e *edge) watch(t *edgeClient) {
	if t.watched || !t.out.Overdrawn() {
		return
	}
	t.watched = true
	mark := t.out.Mark()
	time.AfterFunc(actor.StallTime, func() {
		e.n.toEdge(func() {
			t.watched = false
			if !t.closed && t.out.Behind(mark) {
				e.evict(t)
			}
		})
	})
}

// evict closes the connection of a client that does not read.
func (e *edge) evict(t *edgeClient) {
	e.n.options.Logger.Warn(event.Evicted, zap.Uint64(event.FieldConn, t.client.Conn()),
		zap.String(event.FieldRoom, t.member.Room), zap.String(event.FieldID, t.member.ID))
	e.close(t, wire.CloseSlowConsumer, actor.SlowConsumer, event.ReasonSlow)
}

// close ends a connection, and the membership that it has.
func (e *edge) close(t *edgeClient, code wire.CloseCode, text, reason string) {
	if t.closed {
		return
	}
	t.closed = true
	e.touch(t)
	t.out.Close(code, text)
	if t.state == clientIn {
		e.end(t, reason, false)
	}
}

// taken says that the place that a connection asks for was given to another so long ago. It
// asks again if its client came for the place later than that; if not, the client has come by
// the other, and is refused here.
func (e *edge) taken(t *edgeClient, turn actor.Turn, ago time.Duration) {
	join, resume := t.join, t.resume
	var asked *actor.Asked
	var refused frame.Refused
	switch {
	case t.state != clientJoining:
		return
	case join != nil:
		asked, refused = &join.Asked, join.Refused
	case resume != nil:
		asked, refused = &resume.Asked, resume.Refused
	default:
		return
	}
	if t.closed || t.gone || t.client.Ended() || !asked.At.IsZero() && time.Since(asked.At) > ago {
		e.deliver(t, frame.Error(actor.ErrLate, refused))
		e.notIn(t)
		return
	}
	asked.After = turn
	t.join = nil // its welcome is needed again
	e.exit(t)
	if join != nil {
		e.joinAtOwner(t, join)
	} else {
		e.resumeAtOwner(t, resume)
	}
}

// closeOver ends a connection of which the owner has ended the membership.
func (e *edge) closeOver(t *edgeClient, code wire.CloseCode, text string) {
	e.touch(t)
	t.closed = true
	t.out.Close(code, text)
	for _, c := range t.deferred {
		actor.Drop(c) // there is no answer to the leave that they wait for
	}
	t.deferred, t.deferredBytes = nil, 0
	switch t.state {
	case clientEnding:
		t.state = clientOver // no next owner is to hear of the membership
	case clientIn, clientLeaving:
		t.state = clientOver
		if t.gone {
			e.end(t, "", false)
		}
	case clientJoining:
		e.notIn(t)
	}
}

// detach ends a connection whose membership goes on elsewhere: what comes for it is kept
// until the owner keeps it. A code of 0 says that the connection is lost.
func (e *edge) detach(t *edgeClient, code wire.CloseCode, text, reason string) {
	t.aside = new(kept)
	t.aside.begin(t.out.Kept())
	t.closed, t.detached = true, t.member.Session
	if code == 0 {
		t.out.Suspend()
	} else {
		e.touch(t)
		t.out.Close(code, text)
	}
	e.end(t, reason, true)
}

// end tells the owner that a connection has ended, or its membership for good.
func (e *edge) end(t *edgeClient, reason string, suspend bool) {
	if t.state != clientOver {
		t.state = clientEnding
	}
	e.submitLast(t, recEnd, func(w *writer) {
		w.text(reason)
		w.flag(suspend)
	})
}

// in says that a connection has a membership now.
func (e *edge) in(t *edgeClient) {
	t.state = clientIn
	t.answered()
	if t.early {
		t.early = false
		e.confirm(t)
	}
	joined, resumed := t.joined, t.resumed
	t.joined, t.resumed = nil, nil
	if joined != nil {
		joined <- true
	}
	if resumed != nil {
		m := &t.member
		resumed <- actor.Resumed{Room: m.Room, ID: m.ID, Name: m.Name, Meta: m.Meta, Grant: m.Grant, Joined: m.Joined, Handled: m.Handled}
	}
	if t.closed {
		e.end(t, event.ReasonLost, t.aside != nil && !t.leaves)
	}
}

// notIn undoes enter for a connection whose join or resume was refused.
func (e *edge) notIn(t *edgeClient) {
	joined, resumed := t.joined, t.resumed
	t.joined, t.resumed = nil, nil
	e.exit(t)
	if joined != nil {
		joined <- false
	}
	if resumed != nil {
		resumed <- actor.Resumed{}
	}
	if t.gone {
		e.forget(t)
	}
}

func (e *edge) left(t *edgeClient) {
	if t.state != clientLeaving {
		return
	}
	e.exit(t)
	if !t.closed {
		t.out.Reset(false, actor.Turn{})
	}
	deferred := t.deferred
	t.deferred, t.deferredBytes = nil, 0
	for _, c := range deferred {
		e.command(c)
	}
	if t.gone {
		e.forget(t)
	}
}
