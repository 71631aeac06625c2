// Package rtc brings real peer connections up through a signaling server: each pair
// of peers joins a room of its own, makes a data channel, and checks an echo on it.
package rtc

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"github.com/pion/webrtc/v4"

	"github.com/parley-rtc/parley/cmd/soak/internal/credential"
	"github.com/parley-rtc/parley/cmd/soak/internal/crowd"
	"github.com/parley-rtc/parley/cmd/soak/internal/report"
)

// Options say what peers to bring up.
type Options struct {
	Target         *url.URL
	TLS            *tls.Config
	Header         http.Header
	Credentials    *credential.Source // that peers show to be let in; nil: none
	Pairs          int
	Kinds          []Kind        // what is to become of their calls, in turn; none: all are to be connected
	Over           time.Duration // in which pairs begin, evenly
	ICEServers     []string      // none: what the server hands out
	User, Password string        // for TURN
	RelayOnly      bool
}

// pairTime is how long a pair may take, from the first join to the last echo.
const pairTime = 40 * time.Second

// outcome is what became of the pairs.
type outcome struct {
	mu     sync.Mutex // guards what follows
	result report.WebRTC
	stages map[string]*hdr.Histogram
}

// Run brings all pairs up, and down again, and returns what came of it.
func Run(ctx context.Context, o Options) *report.WebRTC {
	out := &outcome{stages: map[string]*hdr.Histogram{}}
	out.result = report.WebRTC{Pairs: o.Pairs, Stages: map[string]report.Times{}, Failures: map[string]int{}, Outcomes: map[string]int{}}
	for _, stage := range report.Stages {
		out.stages[stage] = crowd.NewHistogram()
	}
	run := rand.Text()[:8]
	var pairs sync.WaitGroup
	start := time.Now()
	for i := range o.Pairs {
		due := start.Add(o.Over * time.Duration(i) / time.Duration(o.Pairs))
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		pairs.Go(func() { out.note(call(ctx, &o, i, fmt.Sprintf("%srtc-%s-%d", credential.RoomPrefix, run, i))) })
	}
	pairs.Wait()
	for stage, h := range out.stages {
		out.result.Stages[stage] = report.TimesOf(h, true)
	}
	return &out.result
}

// note takes one pair's outcome: what came of its call, "" if there was none, and why it is
// not as it should be.
func (out *outcome) note(m *marks, became string, err error) {
	out.mu.Lock()
	defer out.mu.Unlock()
	for stage, d := range m.stages() {
		_ = out.stages[stage].RecordValue(max(d.Microseconds(), 1))
	}
	out.result.Echoes += m.echoes
	if became != "" {
		out.result.Outcomes[became]++
	}
	if err != nil {
		out.result.Failed++
		out.result.Failures[err.Error()]++
		return
	}
	if became == connectedOutcome {
		out.result.Up++
	}
	if m.relayed {
		out.result.Relayed++
	}
}

// marks are the moments of a call's set-up, seen by the one who calls.
type marks struct {
	mu      sync.Mutex // guards what follows
	at      map[string]time.Time
	relayed bool
	echoes  int
}

// Moments.
const (
	began     = "began"
	joined    = "joined"
	offered   = "offered"
	answered  = "answered"
	iceUp     = "ice"
	connected = "connected"
	opened    = "opened"
)

// mark notes a moment, the first time.
func (m *marks) mark(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.at[name]; !ok {
		m.at[name] = time.Now()
	}
}

// since returns how long ago a moment was; 0: it has not come.
func (m *marks) since(name string) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, ok := m.at[name]; ok {
		return time.Since(at)
	}
	return 0
}

func (m *marks) has(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.at[name]
	return ok
}

// stages returns how long each stage took that was gone through.
func (m *marks) stages() map[string]time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]time.Duration{}
	for _, s := range []struct{ stage, from, to string }{
		{"join", began, joined}, {"answer", offered, answered}, {"ice", answered, iceUp},
		{"dtls", iceUp, connected}, {"channel", connected, opened}, {"setup", offered, opened},
	} {
		from, ok := m.at[s.from]
		to, reached := m.at[s.to]
		if ok && reached {
			out[s.stage] = max(to.Sub(from), 0)
		}
	}
	return out
}

// failure says at which stage a call that did not come up stood.
func (m *marks) failure(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.New("no progress")
	}
	for _, s := range []struct{ until, stage string }{
		{joined, "join"}, {offered, "offer"}, {answered, "answer"}, {iceUp, "ICE"}, {connected, "DTLS"}, {opened, "data channel"},
	} {
		if !m.has(s.until) {
			return fmt.Errorf("%s: %w", s.stage, err)
		}
	}
	return fmt.Errorf("echo: %w", err)
}

// kind returns what is to become of the pair with a number.
func (o *Options) kind(number int) Kind {
	if len(o.Kinds) == 0 {
		return Connected
	}
	return o.Kinds[number%len(o.Kinds)]
}

// call has the pair with a number call, and checks its echo. It returns what came of the call,
// and why that is not as it should be.
func call(ctx context.Context, o *Options, number int, room string) (m *marks, became string, err error) {
	kind := o.kind(number)
	m = &marks{at: map[string]time.Time{}}
	ctx, cancel := context.WithTimeoutCause(ctx, pairTime, context.DeadlineExceeded)
	defer cancel()
	m.mark(began)
	callee, err := enter(ctx, o, kind, 2*number, room, "callee")
	if err != nil {
		return m, "", m.failure(err)
	}
	defer callee.leave()
	caller, err := enter(ctx, o, kind, 2*number+1, room, "caller")
	if err != nil {
		return m, "", m.failure(err)
	}
	defer caller.leave()
	m.mark(joined)
	go callee.answerCalls(ctx)
	err = caller.call(ctx, m, "callee")
	became = outcomeOf(err)
	caller.reportOutcome(ctx, m, "callee", err)
	if err == nil && kind == Resumed {
		err = caller.resume(ctx, o)
	}
	caller.hangUp(ctx, m, "callee")
	if err = kind.became(err); err != nil {
		err = m.failure(err)
	}
	return m, became, err
}

// api makes peer connections; loopback counts, so that a machine without a network
// can be tested too.
var api = func() *webrtc.API {
	var s webrtc.SettingEngine
	s.SetIncludeLoopbackCandidate(true)
	return webrtc.NewAPI(webrtc.WithSettingEngine(s))
}()

// configuration returns the ICE servers that the options name, or the server has
// handed out.
func (o *Options) configuration(handed []webrtc.ICEServer) (webrtc.Configuration, error) {
	c := webrtc.Configuration{ICEServers: handed}
	if len(o.ICEServers) > 0 {
		c.ICEServers = nil
		for _, u := range o.ICEServers {
			c.ICEServers = append(c.ICEServers, webrtc.ICEServer{URLs: []string{u}, Username: o.User, Credential: o.Password})
		}
	}
	if !o.RelayOnly {
		return c, nil
	}
	c.ICETransportPolicy = webrtc.ICETransportPolicyRelay
	for _, s := range c.ICEServers {
		for _, u := range s.URLs {
			if strings.HasPrefix(u, "turn") {
				return c, nil
			}
		}
	}
	return c, errors.New("there is no TURN server to relay through")
}
