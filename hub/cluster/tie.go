package cluster

import (
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// tie is a connection and what ties it to a room.
type tie struct {
	client  *actor.Client
	out     *actor.Outbox
	opened  time.Time
	touched bool
	gone    bool // the connection has ended
	closed  bool // it gets nothing more

	// seen has for each sender the last of its messages that has come: what an owner
	// has passed on and another, or the same, is sent again is dropped.
	seen map[uint64]uint64

	state    tieState
	key      uint64 // of this membership
	part     int
	member   actor.Membership
	seq      uint64
	before   uint64    // messages that were handled before number 1 of this connection, less resume
	pending  []pending // not known to be settled, in order
	bytes    int       // of pending
	gen      int       // changes when pending is sent anew
	deferred []actor.Command
	joined   chan<- bool
	resumed  chan<- actor.Resumed
}

type tieState int

const (
	tieOut      tieState = iota // in no room
	tieJoining                  // has asked to join or resume
	tieIn                       // is a member
	tieLeaving                  // has asked to leave
	tieFinished                 // the membership ends with the connection
)

// pending is a command that may have to be sent again.
type pending struct {
	seq      uint64
	record   []byte
	answered bool // its one effect has arrived
	end      bool // of the connection
}

// enter puts a tie into a partition and a room, under a key of its own.
func (e *edge) enter(t *tie, p int, room string) {
	e.nextKey++
	t.key, t.part, t.gen, t.seen = e.nextKey, p, t.gen+1, map[uint64]uint64{}
	t.pending, t.bytes, t.before = nil, 0, 0
	e.keys[t.key] = t
	e.parts[p].ties[t] = struct{}{}
	e.visit(t, room)
}

// visit counts a tie in a room.
func (e *edge) visit(t *tie, room string) {
	t.member.Room = room
	if room == "" {
		return
	}
	r := e.rooms[room]
	if r == nil {
		r = &edgeRoom{meta: actor.RoomMeta{Room: room}}
		e.rooms[room] = r
	}
	r.ties++
}

// exit undoes enter.
func (e *edge) exit(t *tie) {
	if t.state == tieOut {
		return
	}
	delete(e.keys, t.key)
	delete(e.parts[t.part].ties, t)
	if r := e.rooms[t.member.Room]; r != nil {
		if r.ties--; r.ties == 0 {
			delete(e.rooms, t.member.Room)
		}
	}
	t.state, t.member = tieOut, actor.Membership{}
	t.gen++
	t.pending, t.bytes = nil, 0
}

// forget lets go of a connection that has ended.
func (e *edge) forget(t *tie) {
	e.exit(t)
	t.out.Discard()
	delete(e.ties, t.client)
	e.n.connections.Add(-1)
}

// frame hands a connection what an owner has sent, unless it has had it.
func (e *edge) frame(t *tie, f *frame.Frame) {
	if o := f.Origin; o.Key == t.key {
		if !t.answer(o.Seq) {
			f.Release()
			return
		}
	} else if o.Key != 0 {
		if o.Seq <= t.seen[o.Key] {
			f.Release()
			return
		}
		t.seen[o.Key] = o.Seq
	}
	e.deliver(t, f)
}

// answer notes that a command has been answered, and reports whether one was waiting
// for it.
func (t *tie) answer(seq uint64) bool {
	for i := range t.pending {
		if c := &t.pending[i]; c.seq == seq {
			was := c.answered
			c.answered = true
			return !was
		}
	}
	return false
}

// deliver queues a frame for a connection, or closes it if it does not read.
func (e *edge) deliver(t *tie, f *frame.Frame) {
	if t.closed {
		f.Release()
		return
	}
	e.touch(t)
	if !t.out.Send(f, 0) {
		e.n.options.Logger.Warn(event.Evicted, zap.Uint64(event.FieldConn, t.client.Conn()),
			zap.String(event.FieldRoom, t.member.Room), zap.String(event.FieldID, t.member.ID))
		e.close(t, wire.CloseSlowConsumer, actor.SlowConsumer)
		e.end(t, event.ReasonSlow, false)
	}
}

// close ends a connection.
func (e *edge) close(t *tie, code wire.CloseCode, reason string) {
	if t.closed {
		return
	}
	t.closed = true
	e.touch(t)
	t.out.Close(code, reason)
	if t.state == tieIn {
		t.state = tieFinished
	}
}

// end tells the owner that a connection has ended, or its membership for good.
func (e *edge) end(t *tie, reason string, suspend bool) {
	e.submit(t, recEnd, func(w *writer) {
		w.text(reason)
		w.flag(suspend)
	})
}

func (e *edge) joinedOrNot(t *tie, seq uint64, in bool) {
	t.answer(seq)
	if t.joined == nil {
		return
	}
	done := t.joined
	t.joined = nil
	if in && !t.closed {
		t.state = tieIn
	} else if !in {
		e.notIn(t)
	}
	done <- in
}

// notIn ends what ties a connection to a room that it did not get into. What tells the
// owner so needs no answer.
func (e *edge) notIn(t *tie) {
	e.end(t, "", false)
	e.exit(t)
	if t.gone {
		e.forget(t)
	}
}

func (e *edge) resumedOrNot(t *tie, seq uint64, m actor.Membership) {
	t.answer(seq)
	if t.resumed == nil {
		return
	}
	done := t.resumed
	t.resumed = nil
	if m.ID == "" {
		e.notIn(t)
		done <- actor.Resumed{}
		return
	}
	m.Session = t.member.Session
	t.before = m.Handled - 1 // number 1 was the resume, which does not count
	e.visit(t, m.Room)
	t.member = m
	t.state = tieIn
	done <- actor.Resumed{Room: m.Room, ID: m.ID, Name: m.Name, Meta: m.Meta, Grant: m.Grant, Joined: m.Joined, Handled: m.Handled}
}

func (e *edge) left(t *tie) {
	if t.state != tieLeaving {
		return
	}
	e.exit(t)
	if !t.closed {
		t.out.Reset(false)
	}
	deferred := t.deferred
	t.deferred = nil
	for _, c := range deferred {
		e.command(c)
	}
	if t.gone {
		e.forget(t)
	}
}
