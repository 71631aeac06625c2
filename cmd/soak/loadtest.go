package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/parley-rtc/parley/cmd/soak/internal/crowd"
	"github.com/parley-rtc/parley/cmd/soak/internal/plan"
	"github.com/parley-rtc/parley/cmd/soak/internal/report"
	"github.com/parley-rtc/parley/cmd/soak/internal/rtc"
	"github.com/parley-rtc/parley/cmd/soak/internal/socket"
)

// Times of a run.
const (
	joinTime   = 15 * time.Second // after the ramp, for the last to be in
	settleTime = 10 * time.Second // for all members to know each other
	silence    = 4 * time.Second  // in which nothing comes: nothing will come any more
	look       = 20 * time.Millisecond
)

// loadTest is one run.
type loadTest struct {
	plan     *plan.Plan
	out      *output
	crowd    *crowd.Crowd
	recorder *recorder
	report   *report.Report
	tls      *tls.Config
}

func newTest(ctx context.Context, p *plan.Plan, out *output) (*loadTest, error) {
	t := &loadTest{plan: p, out: out}
	var err error
	if t.tls, err = trust(p); err != nil {
		return nil, err
	}
	dialer := &socket.Dialer{TLS: t.tls, Header: p.Headers, Sources: p.Addresses}
	if err := dialer.Resolve(ctx, p.Target); err != nil {
		return nil, err
	}
	var random [12]byte
	_, _ = rand.Read(random[:])
	if p.Seed == 0 {
		p.Seed = binary.NativeEndian.Uint64(random[4:])
	}
	if p.Start.After(time.Now()) {
		out.say("starting at %s", p.Start.Format(time.RFC3339))
		select {
		case <-time.After(time.Until(p.Start)):
		case <-ctx.Done():
		}
	}
	start := time.Now()
	t.crowd = crowd.New(crowd.Options{
		Target: p.Target, Dialect: p.Dialect, Dialer: dialer, Credentials: p.Credentials, Late: p.Late, Changes: p.Changes, Seed: p.Seed,
		Run: binary.NativeEndian.Uint32(random[:]), Start: start,
	})
	t.report = &report.Report{
		Schema: report.Name, Version: report.Version, Started: start, URL: p.URL, Dialect: p.Dialect.Name, Machines: 1, Phases: []report.Phase{},
		Tool: report.Tool{Version: buildVersion(), Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.GOMAXPROCS(0)},
	}
	if t.recorder, err = newRecorder(t.crowd, p, out); err != nil {
		t.crowd.Close()
		return nil, err
	}
	return t, nil
}

// trust returns what certificates are taken.
func trust(p *plan.Plan) (*tls.Config, error) {
	c := &tls.Config{InsecureSkipVerify: p.Insecure}
	if p.TLSCA == "" {
		return c, nil
	}
	pem, err := os.ReadFile(p.TLSCA)
	if err != nil {
		return nil, err
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate in it", p.TLSCA)
	}
	return c, nil
}

// run goes through the phases.
func (t *loadTest) run(ctx context.Context) *report.Report {
	for i := range t.plan.Phases {
		if ctx.Err() != nil {
			break
		}
		t.phase(ctx, &t.plan.Phases[i])
	}
	t.crowd.SetTraffic(crowd.Traffic{})
	t.crowd.Depart()
	t.wait(context.Background(), settleTime, func() bool { return t.crowd.Census().Connections == 0 })
	t.crowd.Close()
	t.recorder.stop()
	r := t.report
	r.Seconds = t.crowd.Now().Seconds()
	r.Faults = faultsOf(t.crowd)
	r.Client, r.Server = t.recorder.ends(r.Phases)
	r.Client.DialsFailed = int(t.crowd.Limits())
	r.Interrupted = ctx.Err() != nil
	r.Judge(t.plan.Objectives)
	return r
}

func faultsOf(c *crowd.Crowd) []report.FaultKind {
	kinds := []report.FaultKind{}
	for _, k := range c.Faults.Kinds() {
		out := report.FaultKind{Kind: k.Kind, Count: k.Count, Examples: []report.Fault{}}
		for _, f := range k.Examples {
			out.Examples = append(out.Examples, report.Fault{At: f.At.Seconds(), Fault: f})
		}
		kinds = append(kinds, out)
	}
	return kinds
}

// phase runs one phase and adds what came of it to the report.
func (t *loadTest) phase(ctx context.Context, p *plan.Phase) {
	out := report.Phase{Name: p.Name, Profile: string(p.Profile), Start: t.crowd.Now().Seconds(), Rooms: p.Rooms, Peers: p.Peers, Rate: p.Rate}
	t.recorder.begin(p)
	calm := crowd.Traffic{SlowShare: p.SlowShare / 100, SlowRate: p.SlowRate, BadShare: p.BadShare / 100}
	t.crowd.ExpectBreaks(p.ExpectBreaks)
	t.crowd.SetTraffic(calm)
	t.assemble(ctx, p)
	if t.crowd.Census().Members > 0 && ctx.Err() == nil {
		real := make(chan *report.WebRTC, 1)
		go func() { real <- t.webrtc(ctx, p) }()
		begun := t.crowd.Now()
		t.recorder.traffic(p.Duration)
		if p.Profile == plan.Flood {
			f := flood{test: t, phase: p}
			out.Steps, out.Knee = f.run(ctx)
		} else {
			t.crowd.SetTraffic(crowd.TrafficOf(p, p.Rate))
			t.sleep(ctx, p.Duration)
		}
		out.Seconds = (t.crowd.Now() - begun).Seconds()
		out.WebRTC = <-real
		calm.Breaks = p.ExpectBreaks > 0
		calm.Rejoin = p.Churn > 0 || p.Cuts > 0 || p.ExpectBreaks > 0
		calm.Tolerant = p.Profile == plan.Flood
		t.crowd.SetTraffic(calm)
		t.settle()
	}
	t.recorder.end(&out)
	t.report.Phases = append(t.report.Phases, out)
}

// assemble brings the members of a phase together.
func (t *loadTest) assemble(ctx context.Context, p *plan.Phase) {
	if p.Profile == plan.Storm {
		t.crowd.Depart()
		t.wait(ctx, settleTime, func() bool { return t.crowd.Census().Connections == 0 })
	}
	members := p.Rooms * p.Peers
	last := t.crowd.Resize(p.Rooms, p.Peers, p.Ramp)
	t.out.say("%s: %d members in %d rooms, the last to join in %s", p.Name, members, p.Rooms, (last - t.crowd.Now()).Round(time.Second/10))
	t.sleep(ctx, last-t.crowd.Now())
	t.wait(ctx, joinTime, func() bool {
		c := t.crowd.Census()
		return c.Joining == 0 && c.Connections <= members
	})
	if ctx.Err() == nil {
		t.crowd.GiveUp()
	}
	t.agree(ctx)
	if members >= crowded {
		debug.FreeOSMemory() // what joining took, and stacks that it made grow
	}
}

// crowded is from how many members on memory is given back after they have joined.
const crowded = 1000

// agree waits until all members know each other, and counts those that do not.
func (t *loadTest) agree(ctx context.Context) {
	if !t.wait(ctx, settleTime, func() bool { return t.crowd.Misinformed(false) == 0 }) {
		t.crowd.Misinformed(ctx.Err() == nil)
	}
}

// settle waits until the last messages have come, or no more come, and closes the
// books; after an interrupt too.
func (t *loadTest) settle() {
	ctx := context.Background()
	t.crowd.Hurry()
	t.crowd.Greet()
	t.drained(ctx, time.Minute)
	t.crowd.GiveUp()
	t.crowd.CloseBooks()
	t.agree(ctx)
}

// drained waits until nobody sends any more and what must come has come, or nothing
// comes any more. Time in which this process stood still does not count.
func (t *loadTest) drained(ctx context.Context, limit time.Duration) {
	var received uint64
	var silent time.Duration
	last := time.Now()
	t.wait(ctx, limit, func() bool {
		now := time.Now()
		silent += min(now.Sub(last), 2*look)
		last = now
		c := t.crowd.Census()
		if r := t.recorder.received(); r != received || c.Planned > 0 || c.Joining > 0 || c.Lost > 0 {
			received, silent = r, 0
			return false
		}
		return t.crowd.Outstanding() == 0 || silent > silence
	})
}

// webrtc brings real peer connections up, where the phase has some.
func (t *loadTest) webrtc(ctx context.Context, p *plan.Phase) *report.WebRTC {
	if p.WebRTC == 0 {
		return nil
	}
	var kinds []rtc.Kind
	for _, kind := range strings.Split(p.WebRTCCalls, ",") {
		kinds = append(kinds, rtc.Kind(kind))
	}
	w := rtc.Run(ctx, rtc.Options{
		Target: t.plan.Target, TLS: t.tls, Header: t.plan.Headers, Credentials: t.plan.Credentials, Pairs: p.WebRTC, Over: p.Duration,
		ICEServers: t.plan.ICEServers, User: t.plan.ICEUser, Password: t.plan.ICEPassword, RelayOnly: t.plan.RelayOnly, Kinds: kinds,
	})
	for reason, n := range w.Failures {
		for range n {
			t.crowd.Faults.Add(crowd.CallFailed, crowd.Fault{At: t.crowd.Now(), Text: reason})
		}
	}
	return w
}

// wait polls until is holds, and reports false if it does not in time.
func (t *loadTest) wait(ctx context.Context, limit time.Duration, is func() bool) bool {
	deadline := time.Now().Add(limit)
	for !is() {
		if time.Now().After(deadline) || ctx.Err() != nil {
			return false
		}
		t.sleep(ctx, look)
	}
	return true
}

// sleep waits, unless the run is to end.
func (t *loadTest) sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
