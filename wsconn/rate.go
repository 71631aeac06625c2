package wsconn

import "time"

// A client may be over its rate for rateGrace; a second without a refusal ends
// the count.
const (
	rateGrace = 10 * time.Second
	ratePause = time.Second
)

// bucket is a token bucket that also knows for how long it has been refusing.
// Owned by the read loop.
type bucket struct {
	perSecond, burst float64 // perSecond 0: no limit
	tokens           float64
	at               time.Time // when tokens was right
	since            time.Time // first refusal of those that go on
	last             time.Time // last refusal
}

func (b *bucket) init(perSecond, burst int, now time.Time) {
	b.perSecond, b.burst = float64(perSecond), float64(max(burst, 1))
	b.tokens, b.at = b.burst, now
}

// take takes the token for one message at time now. allowed is false when there
// is none; then tooLong says that this has gone on for more than rateGrace.
func (b *bucket) take(now time.Time) (allowed, tooLong bool) {
	if b.perSecond == 0 {
		return true, false
	}
	if d := now.Sub(b.at); d > 0 {
		b.tokens = min(b.burst, b.tokens+d.Seconds()*b.perSecond)
		b.at = now
	}
	if b.tokens >= 1 {
		b.tokens--
		return true, false
	}
	if b.since.IsZero() || now.Sub(b.last) > ratePause {
		b.since = now
	}
	b.last = now
	return false, now.Sub(b.since) >= rateGrace
}
