package doctor

import (
	"context"
	"fmt"
	"time"
)

// unjoined is how long a connection may be watched that is in no room: the server closes
// it soon after.
const unjoined = 25 * time.Second

// watchQuiet opens a connection of its own, says nothing on it and sees whether it lasts.
func (v *visit) watchQuiet(ctx context.Context, join bool) Finding {
	f := Finding{Check: CheckQuiet, Verdict: Skipped, Reason: "--quiet is 0"}
	limit := v.Quiet
	if !join {
		limit = min(limit, unjoined)
	}
	if limit <= 0 {
		return f
	}
	s, _, err := v.open(ctx, v.Origin)
	if err == nil {
		defer s.close()
		if join {
			_, err = v.join(ctx, s)
		}
	}
	if err != nil {
		f.Reason = fmt.Sprintf("a second connection could not be made: %v", err)
		return f
	}
	start := time.Now()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		f.Reason = "it was interrupted"
		return f
	case <-s.ended:
		f.Verdict = Problem
		f.Reason = fmt.Sprintf("a quiet connection ended after %s: %v", time.Since(start).Round(time.Second), s.err)
		f.Advice = "Raise the idle timeout of the proxy or firewall in between (nginx: proxy_read_timeout) above --ping-interval, or lower that."
		return f
	}
	return v.judgeQuiet(ctx, s, start, limit)
}

// judgeQuiet reports on a connection that has lasted.
func (v *visit) judgeQuiet(ctx context.Context, s *socket, start time.Time, limit time.Duration) Finding {
	f := Finding{Check: CheckQuiet, Verdict: OK}
	ctx, cancel := context.WithTimeout(ctx, v.Timeout)
	defer cancel()
	if err := s.Ping(ctx); err != nil {
		f.Verdict = Problem
		f.Reason = fmt.Sprintf("a connection that was quiet for %s is dead, without a word: %v", limit, err)
		f.Advice = "A firewall or NAT in between forgets quiet connections: lower --ping-interval."
		return f
	}
	s.mu.Lock()
	pinged := s.pinged
	s.mu.Unlock()
	if pinged.IsZero() {
		f.Verdict = Warning
		f.Reason = fmt.Sprintf("a connection lasts that is quiet for %s, but no ping of the server came", limit)
		f.Advice = "Give --quiet more than the daemon's --ping-interval. If none comes then, something swallows pings, and proxies may cut quiet connections."
		return f
	}
	f.Reason = fmt.Sprintf("a connection lasts that is quiet for %s; a ping of the server came after %s", limit, pinged.Sub(start).Round(time.Second))
	return f
}
