package cluster

import (
	"bytes"
	"time"

	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// Kinds of records on a link: the first byte of each. The numbers are part of the wire
// format, and so are the ranges: they say who gets a record.
const (
	// For an owner, about one membership of the edge that sends it. Partition, key and
	// number of the command stand first.
	recJoin    byte = 1
	recResume  byte = 2
	recLeave   byte = 3
	recForward byte = 4
	recRename  byte = 5
	recUpdate  byte = 6
	recRenew   byte = 7
	recReply   byte = 8
	recRefuse  byte = 9
	recKick    byte = 10
	recLock    byte = 11
	recEnd     byte = 12 // of the connection, or of the membership for good
	recHandled byte = 13 // an owner before has answered this command
	recAcked   byte = 14 // the client has so many messages
	recAttach  byte = 15 // a membership that an owner before has begun
	recRoom    byte = 16 // what is known of a room with such memberships

	recDepart byte = 19 // the client of a session that goes on has left
	recReport byte = 20
	recCount  byte = 21

	// For an owner: all memberships of a partition that this edge has come between these
	// two, with those of their commands that are not confirmed.
	recAttaching byte = 17
	recAttached  byte = 18

	// For an edge.
	recOwn       byte = 32 // of a partition: attach your memberships
	recReady     byte = 33 // of a partition: send your commands
	recDisown    byte = 34 // of a partition: another will own it
	recConfirm   byte = 35 // your packets up to this one have had all their effects
	recSettled   byte = 36 // of a partition: so have the commands that came with memberships
	recFrame     byte = 37 // a message, for one receiver or more: see delivery.go
	recAdopt     byte = 38 // a resumed membership, with what the client has missed
	recClose     byte = 39
	recChallenge byte = 40
	recLeft      byte = 41
	recMeta      byte = 42 // a lock or a ban
	recReturned  byte = 43 // a command came too late for an owner that hands over
	recTaken     byte = 44 // the place that a connection asks for is another's since a while

	// For the next owner.
	recHandover byte = 64

	// Between any two nodes.
	recRequest byte = 96
	recAnswer  byte = 97
)

const (
	firstForEdge    = 32
	firstForNext    = 64
	firstForAnybody = 96
)

// commandHead begins the records about one connection.
type commandHead struct {
	part int
	key  uint64
	seq  uint64
}

func (w *writer) head(kind byte, h commandHead) {
	w.b = append(w.b, kind)
	w.number(uint64(h.part))
	w.fixed(h.key)
	w.number(h.seq)
}

func (r *reader) head() commandHead {
	return commandHead{part: r.partition(), key: r.fixed(), seq: r.number()}
}

// partition reads the number of a partition.
func (r *reader) partition() int {
	return int(r.below(Partitions))
}

// room sees that a room is of a partition.
func (r *reader) room(name string, p int) {
	if PartitionOf(name) != p {
		r.fail()
	}
}

// session sees that a session is one of a partition.
func (r *reader) session(text string, p int) {
	if of, ok := actor.SessionPartition(text); !ok || int(of) != p {
		r.fail()
	}
}

func (w *writer) refused(m frame.Refused) {
	w.text(m.Re)
	w.text(m.To)
	w.text(m.Ref)
}

func (r *reader) refused(o frame.Origin) frame.Refused {
	return frame.Refused{Re: r.text(), To: r.text(), Ref: r.text(), Origin: o}
}

func (w *writer) refusal(m *wire.Refusal) {
	w.number(uint64(m.Code))
	w.text(m.Text)
	w.text(m.Needs)
}

func (r *reader) refusal() *wire.Refusal {
	return &wire.Refusal{Code: wire.Code(r.below(uint64(wire.NumCodes))), Text: r.text(), Needs: r.text()}
}

func (w *writer) grant(g *actor.Grant) {
	w.flag(g != nil)
	if g != nil {
		w.number(uint64(g.Rights))
		w.text(g.Subject)
		w.flag(g.Named)
		w.flag(g.Profiled)
		w.moment(g.Expires)
		w.moment(g.Bound)
	}
}

func (r *reader) grant() *actor.Grant {
	if !r.flag() {
		return nil
	}
	return &actor.Grant{
		Rights: wire.Rights(r.number()), Subject: r.text(), Named: r.flag(), Profiled: r.flag(), Expires: r.moment(), Bound: r.moment(),
	}
}

// profile reads a profile; nil: none.
func (r *reader) profile() []byte {
	if b := r.bytes(); len(b) > 0 {
		return bytes.Clone(b)
	}
	return nil
}

// membership writes who a member is.
func (w *writer) membership(m *actor.Membership) {
	w.text(m.Room)
	w.text(m.ID)
	w.text(m.Name)
	w.bytes(m.Meta)
	w.grant(m.Grant)
	w.text(m.Session)
	w.moment(m.Joined)
	w.number(m.Handled)
	w.options(m)
}

// Options of a membership, as they stand in its record.
const (
	withChanges = 1 << iota
	withQuiet
	withKey
)

// options writes what the client has asked for. Without Quiet and Key it is the flag
// Changes, so that nodes that know nothing else can read it.
func (w *writer) options(m *actor.Membership) {
	var o uint64
	if m.Changes {
		o |= withChanges
	}
	if m.Quiet {
		o |= withQuiet
	}
	if m.Key != "" {
		o |= withKey
	}
	w.number(o)
	if m.Key != "" {
		w.text(m.Key)
	}
}

func (r *reader) options(m *actor.Membership) {
	o := r.number()
	m.Changes, m.Quiet = o&withChanges != 0, o&withQuiet != 0
	if o&withKey != 0 {
		m.Key = r.text()
	}
}

func (r *reader) membership() actor.Membership {
	m := actor.Membership{
		Room: r.text(), ID: r.text(), Name: r.text(), Meta: r.profile(), Grant: r.grant(), Session: r.text(),
		Joined: r.moment(), Handled: r.number(),
	}
	r.options(&m)
	return m
}

// turn writes the turn of a membership, to nodes that know of them.
func (w *writer) turn(t actor.Turn) {
	if w.version >= wireTurns {
		w.number(t.Epoch)
		w.number(t.Count)
	}
}

func (r *reader) turn() (t actor.Turn) {
	if r.version >= wireTurns {
		t = actor.Turn{Epoch: r.number(), Count: r.number()}
	}
	return t
}

// left writes how much time is left until then, as clocks of nodes differ, to nodes that ask.
// It is at least a nanosecond; 0: nothing ends then.
func (w *writer) left(until time.Time) {
	switch {
	case w.version < wireTurns:
	case until.IsZero():
		w.number(0)
	default:
		w.number(uint64(max(time.Until(until), 1)))
	}
}

func (r *reader) left() (until time.Time) {
	if r.version >= wireTurns {
		if left := r.duration(); left > 0 {
			until = time.Now().Add(left)
		}
	}
	return until
}

// ago writes how long ago something was, to nodes that ask. It is at least a nanosecond; 0: it
// is not known.
func (w *writer) ago(at time.Time) {
	switch {
	case w.version < wireAsked:
	case at.IsZero():
		w.number(0)
	default:
		w.number(uint64(max(time.Since(at), 1)))
	}
}

func (r *reader) ago() (at time.Time) {
	if r.version >= wireAsked {
		if ago := r.duration(); ago > 0 {
			at = time.Now().Add(-ago)
		}
	}
	return at
}

// after writes the turn that a client is known to have asked after. It is the last of a
// record, which nodes of earlier versions do not read.
func (w *writer) after(t actor.Turn) {
	w.number(t.Epoch)
	w.number(t.Count)
}

func (r *reader) after() (t actor.Turn) {
	if r.version >= wireAsked {
		t = actor.Turn{Epoch: r.number(), Count: r.number()}
	}
	return t
}

func (w *writer) meta(m *actor.RoomMeta) {
	w.text(m.Room)
	w.flag(m.Locked)
	w.moment(m.Opened)
	w.number(uint64(len(m.Bans)))
	for id, until := range m.Bans {
		w.text(id)
		w.moment(until)
	}
}

func (r *reader) meta() actor.RoomMeta {
	m := actor.RoomMeta{Room: r.text(), Locked: r.flag(), Opened: r.moment(), Bans: map[string]time.Time{}}
	for n := r.number(); n > 0 && !r.bad; n-- {
		id := r.text()
		m.Bans[id] = r.moment()
	}
	return m
}

// frames writes messages with what each passes on or answers.
func (w *writer) frames(frames []*frame.Frame) {
	w.number(uint64(len(frames)))
	for _, f := range frames {
		w.frame(f)
	}
}

func (r *reader) frames() (frames []*frame.Frame) {
	for n := r.number(); n > 0 && !r.bad; n-- {
		frames = append(frames, r.frame())
	}
	return frames
}

// seen writes which messages of others a membership has had.
func (w *writer) seen(seen map[uint64]uint64) {
	w.number(uint64(len(seen)))
	for key, seq := range seen {
		w.fixed(key)
		w.number(seq)
	}
}

func (r *reader) seen() map[uint64]uint64 {
	seen := map[uint64]uint64{}
	for n := r.number(); n > 0 && !r.bad; n-- {
		key := r.fixed()
		seen[key] = r.number()
	}
	return seen
}

func (w *writer) frame(f *frame.Frame) {
	w.fixed(f.Origin.Key)
	w.number(f.Origin.Seq)
	w.bytes(f.Payload())
}

func (r *reader) frame() *frame.Frame {
	o := frame.Origin{Key: r.fixed(), Seq: r.number()}
	return r.frameOf(o)
}

// frameOf reads a message alone, which passes on or answers what o says.
func (r *reader) frameOf(o frame.Origin) *frame.Frame {
	b := r.bytes()
	if len(b) < 2 || b[0] != '{' || b[len(b)-1] != '}' {
		r.fail()
	}
	f := frame.Text(b)
	f.Origin = o
	return f
}
