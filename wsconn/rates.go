package wsconn

import (
	"time"

	"golang.org/x/time/rate"

	"github.com/parley-rtc/parley/hub/wire"
)

// A client may be over its limits for rateGrace; a second without a refusal ends
// the count.
const (
	rateGrace = 10 * time.Second
	ratePause = time.Second
)

// framesPerMessage is how many further frames, such as pings, pongs and fragments,
// a client may send for each message that it may send.
const framesPerMessage = 4

// rates are the limits of what one client may send. A refusal costs the server
// about what a message does, so refusals have limits too, of the same size: past
// them the client is not read. Owned by the read loop.
type rates struct {
	options                       *Options
	messages, bytes, changes      *rate.Limiter // nil: no limit
	refusedMessages, refusedBytes *rate.Limiter // likewise; made when the first message is refused
	frames                        *rate.Limiter // of frames that are no message; nil: no limit
	now                           time.Time     // the latest time seen: limiters must not see time go back
	since                         time.Time     // first refusal of the present series
	last                          time.Time     // last refusal
}

var (
	errRateLimited   = &wire.Refusal{Code: wire.CodeRateLimited, Text: "you send too many messages a second"}
	errBytesLimited  = &wire.Refusal{Code: wire.CodeRateLimited, Text: "you send too many bytes a second"}
	errChangeLimited = &wire.Refusal{Code: wire.CodeRateLimited, Text: "you join, leave, rename or update too often"}
)

// init takes the limits from options with defaults.
func (r *rates) init(o *Options, now time.Time) {
	r.now = now
	r.options = o
	r.messages, r.bytes = limiter(o.Rate, o.Burst), limiter(o.RateBytes, o.BurstBytes)
	r.changes = limiter(o.RateChanges, o.BurstChanges)
	r.frames = limiter(times(o.Rate, framesPerMessage), times(o.Burst, framesPerMessage))
	if o.Rate < 0 {
		r.frames = nil
	}
}

func limiter(perSecond, burst int) *rate.Limiter {
	if perSecond < 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), burst)
}

// at moves the time on to t, and returns it.
func (r *rates) at(t time.Time) time.Time {
	if t.After(r.now) {
		r.now = t
	}
	return r.now
}

// message charges a message of n bytes that was read at time t, and returns how long it
// must wait.
func (r *rates) message(t time.Time, n int) time.Duration {
	now := r.at(t)
	return max(reserve(r.messages, now, 1), reserve(r.bytes, now, n))
}

// change charges a change of membership at time t, and returns how long it must wait.
func (r *rates) change(t time.Time) time.Duration { return reserve(r.changes, r.at(t), 1) }

// permit charges a message of n bytes that was read at time t, and returns why it
// is refused, or nil.
func (r *rates) permit(t time.Time, n int, typ wire.Type) *wire.Refusal {
	now := r.at(t)
	switch {
	case !take(r.messages, now, 1):
		return errRateLimited
	case !take(r.bytes, now, n):
		return errBytesLimited
	case changesMembership(typ) && !take(r.changes, now, 1):
		return errChangeLimited
	}
	return nil
}

func take(l *rate.Limiter, now time.Time, n int) bool { return l == nil || l.AllowN(now, n) }

// changesMembership reports whether others are told of a message of this type by a
// new list of members.
func changesMembership(t wire.Type) bool {
	switch t {
	case wire.TypeJoin, wire.TypeLeave, wire.TypeRename, wire.TypeUpdate:
		return true
	}
	return false
}

// refuse charges the refusal of a message of n bytes, and returns how long it is to
// wait. tooLong says that refusals have gone on for rateGrace.
func (r *rates) refuse(n int) (wait time.Duration, tooLong bool) {
	now := r.now
	if r.last.IsZero() {
		o := r.options
		r.refusedMessages, r.refusedBytes = limiter(o.Rate, o.Burst), limiter(o.RateBytes, o.BurstBytes)
	}
	if r.since.IsZero() || now.Sub(r.last) > ratePause {
		r.since = now
	}
	r.last = now
	if now.Sub(r.since) >= rateGrace {
		return 0, true
	}
	return max(reserve(r.refusedMessages, now, 1), reserve(r.refusedBytes, now, n)), false
}

// frame charges a frame that is no message, read at time t, and returns how long the
// next must wait for it.
func (r *rates) frame(t time.Time) time.Duration { return reserve(r.frames, r.at(t), 1) }

func reserve(l *rate.Limiter, now time.Time, n int) time.Duration {
	if l == nil {
		return 0
	}
	return l.ReserveN(now, n).DelayFrom(now)
}
