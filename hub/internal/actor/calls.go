package actor

import (
	"cmp"
	"context"
	"crypto/rand"
	"math"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/calls"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// This file follows the calls of the hub's rooms, if Options.TrackCalls is set: it tells
// the tracker what members say, and the log, the counters and the embedding program what
// comes of it.

// Limits of one connection, so that it neither fills the log nor displaces the calls of
// others from the list of an hour: calls that it begins, a second and at once, and reports.
// Calls beyond that are not followed.
const (
	callRate    = 1
	callBurst   = calls.MaxPerMember
	reportRate  = 4
	reportBurst = 64
)

// callWatch is the tracker with its clock. Owned by the loop.
type callWatch struct {
	*calls.Tracker
	timer *time.Timer
	due   time.Time // when timer fires; zero: it does not
}

func newCallWatch(l *loop) *callWatch {
	return &callWatch{Tracker: calls.New(callSink{l}, newCallID)}
}

// newCallID makes an id that no other call has, also of other nodes.
func newCallID() string { return strings.ToLower(rand.Text()[:16]) }

// follow tells the tracker of a message of the client c that was forwarded.
func (l *loop) follow(c *Client, t wire.Type, from, to *member) {
	room := from.room
	if l.calls == nil || from == to || room == nil || to.room != room { // one of them has just left
		return
	}
	switch t {
	case wire.TypeOffer:
		if !l.calls.Live(room.name, from.id, to.id) && !allow(&c.begun, l.now, callRate, callBurst) {
			l.hub.Stats.Calls.Untracked.Add(1)
			return
		}
		l.calls.Offer(l.now, room.name, calls.Member{ID: from.id, Joined: from.joinedAt}, calls.Member{ID: to.id, Joined: to.joinedAt})
	case wire.TypeAnswer:
		l.calls.Answer(l.now, room.name, from.id, to.id)
	case wire.TypeHangup:
		l.calls.Hangup(l.now, room.name, from.id, to.id)
	}
}

// allow reports whether a limiter, which is made when it is first used, lets one more by.
func allow(limiter **rate.Limiter, now time.Time, limit rate.Limit, burst int) bool {
	if *limiter == nil {
		*limiter = rate.NewLimiter(limit, burst)
	}
	return (*limiter).AllowN(now, 1)
}

// callsLeft ends the calls of a member that leaves.
func (l *loop) callsLeft(m *member, reason string) {
	if l.calls != nil {
		l.calls.Left(l.now, m.room.name, m.id, reason)
	}
}

// callsLost notes in the calls of a member that its connection was lost, and callsResumed
// that it has another.
func (l *loop) callsLost(m *member, reason string) {
	if l.calls != nil {
		l.calls.Lost(l.now, m.room.name, m.id, reason)
	}
}

func (l *loop) callsResumed(m *member) {
	if l.calls != nil {
		l.calls.Resumed(l.now, m.room.name, m.id)
	}
}

// watchCalls sees to it that the tracker does what is due, at the end of a batch.
func (l *loop) watchCalls() {
	w := l.calls
	if w == nil {
		return
	}
	next := w.Next()
	if next.IsZero() || !w.due.IsZero() && !next.Before(w.due) {
		return
	}
	w.due = next
	if w.timer == nil {
		w.timer = time.AfterFunc(next.Sub(l.now), func() { _ = l.hub.Do(tickCalls{}) }) // closed: nothing is left to be done
	} else {
		w.timer.Reset(next.Sub(l.now))
	}
}

// tickCalls has the tracker do what is due.
type tickCalls struct{}

func (tickCalls) apply(l *loop) {
	l.calls.due = time.Time{}
	l.calls.Tick(l.now)
}

// Report takes what a member says of its call with the member To.
type Report struct {
	Client  *Client
	To      string
	Report  *wire.Report // must not change any more
	Refused frame.Refused
}

var errReports = &wire.Refusal{Code: wire.CodeRateLimited, Text: "you report on calls too often: a few times a second is enough"}

func (r *Report) apply(l *loop) {
	c := r.Client
	if c.closed {
		return
	}
	if refusal := r.take(l, c.member); refusal != nil {
		l.refuse(c, refusal, r.Refused)
		return
	}
	c.handled()
}

// take returns why the report is refused, or nil.
func (r *Report) take(l *loop, m *member) *wire.Refusal {
	switch {
	case m == nil:
		return ErrNotJoined
	case l.calls == nil:
		return nil
	case memberOf(m.room, r.To) == nil && !l.calls.Knows(m.room.name, m.id, r.To):
		return ErrTargetNotFound
	case !allow(&r.Client.reports, l.now, reportRate, reportBurst):
		return errReports
	}
	l.calls.Report(l.now, m.room.name, m.id, r.To, r.Report)
	return nil
}

// callSink is told by the tracker what happens to calls.
type callSink struct{ l *loop }

// Started implements [calls.Sink].
func (s callSink) Started(c *event.Call) {
	s.l.hub.Stats.Calls.Active.Add(1)
	s.notify(event.CallStarted, c.Started, c)
}

// Answered implements [calls.Sink].
func (s callSink) Answered(c *event.Call) {
	s.l.hub.Stats.Calls.Answer.Observe(c.Answered.Sub(c.Started).Seconds())
	s.notify(event.CallAnswered, c.Answered, c)
}

// SetUp implements [calls.Sink].
func (s callSink) SetUp(c *event.Call) { s.l.hub.Stats.Calls.Setup.Observe(c.Setup.Seconds()) }

// Routed implements [calls.Sink].
func (s callSink) Routed(c *event.Call) { s.l.hub.Stats.Calls.Paths[c.Path][c.Protocol].Add(1) }

// Failed implements [calls.Sink].
func (s callSink) Failed(c *event.Call, side int) {
	fields := callFields(c, zap.String(event.FieldBy, [2]string{c.From, c.To}[side]))
	if last := c.Sides[side].Last; last.Reason != "" {
		fields = append(fields, zap.String(event.FieldCause, last.Reason))
	}
	s.l.log.Warn(event.CallFailed, fields...)
}

// Ended implements [calls.Sink].
func (s callSink) Ended(*event.Call) { s.l.hub.Stats.Calls.Active.Add(-1) }

// Finished implements [calls.Sink].
func (s callSink) Finished(c *event.Call) {
	n, q := &s.l.hub.Stats.Calls, &c.Quality
	n.Outcomes[c.Outcome].Add(1)
	if q.HasRTT {
		n.RTT.Observe(q.RTT.Seconds())
	}
	if q.HasLoss {
		n.Loss.Observe(q.Loss)
	}
	s.l.log.Info(event.CallDone, doneFields(c)...)
	s.notify(event.CallEnded, c.Ended, c)
}

// Untracked implements [calls.Sink].
func (s callSink) Untracked() { s.l.hub.Stats.Calls.Untracked.Add(1) }

func (s callSink) notify(k event.Kind, at time.Time, c *event.Call) {
	if s.l.notifies {
		kept := calls.Copy(c)
		s.l.options.Notify(event.Event{Kind: k, Time: at, Room: c.Room, Call: &kept})
	}
}

// callFields are the log fields that name a call, followed by more.
func callFields(c *event.Call, more ...zap.Field) []zap.Field {
	f := make([]zap.Field, 0, 24)
	f = append(f, zap.String(event.FieldCall, c.ID), zap.String(event.FieldRoom, c.Room),
		zap.String(event.FieldFrom, c.From), zap.String(event.FieldTo, c.To))
	return append(f, more...)
}

// doneFields are the log fields of a finished call.
func doneFields(c *event.Call) []zap.Field {
	f := callFields(c,
		zap.Stringer(event.FieldOutcome, c.Outcome), zap.String(event.FieldReason, c.Reason),
		zap.Duration(event.FieldDuration, c.Ended.Sub(c.Started)), zap.Int(event.FieldOffers, c.Offers))
	if !c.Answered.IsZero() {
		f = append(f, zap.Duration(event.FieldAnswered, c.Answered.Sub(c.Started)))
	}
	if c.Setup > 0 {
		f = append(f, zap.Duration(event.FieldSetup, c.Setup))
	}
	for _, word := range [...]struct{ name, value string }{
		{event.FieldBy, c.By}, {event.FieldPath, c.Path.String()}, {event.FieldProtocol, c.Protocol.String()}, {event.FieldCause, c.Cause},
	} {
		if word.value != "" {
			f = append(f, zap.String(word.name, word.value))
		}
	}
	q := &c.Quality
	if q.HasRTT {
		f = append(f, zap.Duration(event.FieldRTT, q.RTT), zap.Duration(event.FieldRTTWorst, q.WorstRTT))
	}
	if q.HasJitter {
		f = append(f, zap.Duration(event.FieldJitter, q.Jitter))
	}
	if q.HasLoss {
		f = append(f, zap.Float64(event.FieldLoss, q.Loss), zap.Float64(event.FieldLossWorst, q.WorstLoss))
	}
	if q.HasFreeze {
		f = append(f, zap.Int(event.FieldFreezes, q.Freezes))
	}
	return f
}

// exportCalls takes the calls of some rooms out of the hub.
func (l *loop) exportCalls(of func(room string) bool) []calls.Record {
	if l.calls == nil {
		return nil
	}
	records := l.calls.Export(of)
	l.hub.Stats.Calls.Active.Add(-int64(len(records)))
	return records
}

// restoreCalls takes over calls of another hub. Those of which a member is not here any
// more end.
func (l *loop) restoreCalls(records []calls.Record) {
	if l.calls == nil {
		return
	}
	for _, r := range records {
		l.hub.Stats.Calls.Active.Add(1)
		room := l.rooms[r.Call.Room]
		gone := func(id string) bool { return room == nil || memberOf(room, id) == nil }
		l.calls.Import(l.now, r, [2]bool{gone(r.Call.From), gone(r.Call.To)})
	}
}

// Calls returns the calls that are live and those of the last hour, without their stories,
// the first that started first. It takes them from the loop a slice at a time. It is empty
// if calls are not followed.
func (h *Hub) Calls(ctx context.Context) ([]event.Call, error) {
	var all []event.Call
	for _, finished := range []bool{false, true} { // so one that is finished meanwhile is not missed
		for at := math.MaxInt; at > 0; {
			p, err := askLoop(ctx, h, func(l *loop) (p part[event.Call]) {
				if l.calls != nil {
					p.infos, p.next = l.calls.Slice(finished, at, sliceSize)
				}
				return p
			})
			if err != nil {
				return nil, err
			}
			all = append(all, p.infos...)
			at = p.next
		}
	}
	return inOrder(all), nil
}

// inOrder sorts calls by their starts. Of two copies of a call, one of which was taken
// before it was finished, the other stays.
func inOrder(all []event.Call) []event.Call {
	slices.SortFunc(all, func(a, b event.Call) int {
		return cmp.Or(a.Started.Compare(b.Started), strings.Compare(a.ID, b.ID), cmp.Compare(b.Outcome, a.Outcome))
	})
	return slices.CompactFunc(all, func(a, b event.Call) bool { return a.ID == b.ID })
}

// Call returns a call with its story; nil: it is not known.
func (h *Hub) Call(ctx context.Context, id string) (*event.Call, error) {
	return askLoop(ctx, h, func(l *loop) *event.Call {
		if l.calls == nil {
			return nil
		}
		return l.calls.Find(id)
	})
}
