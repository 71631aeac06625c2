package actor

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/calls"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// callsHub is a hub that follows calls, in virtual time, with its log and its events.
type callsHub struct {
	*Hub
	t      *testing.T
	logged *observer.ObservedLogs

	mu     sync.Mutex
	events []event.Event
}

func withCalls(t *testing.T, o Options, test func(t *testing.T, h *callsHub)) {
	synctest.Test(t, func(t *testing.T) {
		core, logged := observer.New(zap.InfoLevel)
		h := &callsHub{t: t, logged: logged}
		o.Logger, o.TrackCalls, o.KickBan, o.ResumeWindow = zap.New(core), true, time.Second, window
		o.Notify = func(e event.Event) {
			h.mu.Lock()
			defer h.mu.Unlock()
			if e.Call != nil {
				h.events = append(h.events, e)
			}
		}
		h.Hub = newHub(t, o)
		test(t, h)
	})
}

// peer makes a member of room r.
func (h *callsHub) peer(id string) *peer {
	p := newPeer(h.t, h.Hub, quietLimit)
	if !p.joinResumable("r", id) {
		h.t.Fatal("not let in")
	}
	return p
}

// lines returns the log lines of a message as maps.
func (h *callsHub) lines(msg string) (lines []map[string]any) {
	for _, e := range h.logged.FilterMessage(msg).All() {
		lines = append(lines, e.ContextMap())
	}
	return lines
}

// says sends a message of a call, in JSON without its type and receiver.
func (p *peer) says(typ, to, fields string) {
	var e wire.Envelope
	if r := e.Parse(fmt.Appendf(nil, `{"type":%q,"to":%q%s}`, typ, to, fields)); r != nil {
		p.t.Error(r)
		return
	}
	if e.Type == wire.TypeReport {
		report, refusal := wire.ParseReport(e.Data)
		if refusal != nil {
			p.t.Error(refusal)
		}
		p.do(&Report{Client: p.client, To: to, Report: &report, Refused: frame.Refused{Re: "report", To: to}})
		return
	}
	s := wire.NewSuffixes(p.room, p.id)
	p.do(NewForward(p.client, &e, frame.Forward(&e, &s)))
}

// got returns all that has come to the peer, once nothing more does.
func (p *peer) got() []message {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.all)
}

func (p *peer) reports(to, data string) { p.says("report", to, `,"data":`+data) }

func (p *peer) calls(to string)   { p.says("offer", to, `,"sdp":"x"`) }
func (p *peer) answers(to string) { p.says("answer", to, `,"sdp":"x"`) }

// One line in the log says all of a call, once it is over; a failure is told at once.
func TestCallIsLogged(t *testing.T) {
	withCalls(t, Options{}, func(t *testing.T, h *callsHub) {
		ann, bob := h.peer("ann"), h.peer("bob")
		ann.calls("bob")
		ann.says("candidate", "bob", `,"candidate":"candidate:1 1 udp 1 192.0.2.1 9 typ host"`)
		time.Sleep(2 * time.Second)
		bob.answers("ann")
		ann.reports("bob", `{"outcome":"connected","setup_ms":1250,"path":"relay","protocol":"tcp","rtt_ms":80,"loss":0.02,"jitter_ms":7}`)
		ann.calls("bob")
		bob.reports("ann", `{"outcome":"failed","reason":"dtls"}`)
		synctest.Wait()
		failed := h.lines(event.CallFailed)
		if len(failed) != 1 || failed[0]["from"] != "ann" || failed[0]["to"] != "bob" || failed[0]["by"] != "bob" || failed[0]["cause"] != "dtls" {
			t.Errorf("failures: %v", failed)
		}
		bob.reports("ann", `{"outcome":"connected","rtt_ms":120,"freezes":4}`)
		time.Sleep(8 * time.Second)
		bob.says("hangup", "ann", "")
		time.Sleep(calls.LastWords - time.Nanosecond)
		if n := len(h.lines(event.CallDone)); n != 0 {
			t.Errorf("%d lines before the last words", n)
		}
		time.Sleep(2 * time.Nanosecond)
		synctest.Wait()
		lines := h.lines(event.CallDone)
		if len(lines) != 1 {
			t.Fatalf("lines: %v", lines)
		}
		if lines[0]["call"] != failed[0]["call"] || lines[0]["call"] == "" {
			t.Errorf("the lines name two calls: %v, %v", lines[0]["call"], failed[0]["call"])
		}
		delete(lines[0], "call")
		want := map[string]any{
			"room": "r", "from": "ann", "to": "bob", "outcome": "connected", "reason": "hangup", "by": "bob", "cause": "dtls",
			"offers": int64(2), "duration": 10 * time.Second, "answered": 2 * time.Second, "setup": 1250 * time.Millisecond,
			"path": "relay", "protocol": "tcp", "rtt": 120 * time.Millisecond, "rtt_worst": 120 * time.Millisecond,
			"jitter": 7 * time.Millisecond, "loss": 0.02, "loss_worst": 0.02, "freezes": int64(4),
		}
		if !reflect.DeepEqual(lines[0], want) {
			t.Errorf("the line has\n%v, want\n%v", lines[0], want)
		}
		for _, e := range h.logged.All() {
			if strings.Contains(fmt.Sprint(e.ContextMap()), "192.0.2.1") {
				t.Errorf("a candidate is in the log: %v", e)
			}
		}
	})
}

// However a membership ends, its calls end with it, for the same reason.
func TestCallsEndWithMemberships(t *testing.T) {
	for reason, end := range map[string]func(h *callsHub, bob *peer){
		event.ReasonLeft:   func(_ *callsHub, bob *peer) { bob.do(Leave{bob.client}) },
		event.ReasonKicked: func(_ *callsHub, bob *peer) { bob.do(&Kick{Order: Order{Room: "r"}, To: "bob"}) },
		event.ReasonExpired: func(_ *callsHub, bob *peer) {
			bob.do(Unregister{bob.client, event.ReasonLost})
			time.Sleep(window)
		},
		event.ReasonRoomEnded: func(_ *callsHub, bob *peer) { bob.do(&CloseRoom{Order{Room: "r"}}) },
		event.ReasonDrain: func(h *callsHub, _ *peer) {
			if err := h.Do(drain{}); err != nil {
				h.t.Error(err)
			}
		},
		event.ReasonTakenOver: func(h *callsHub, bob *peer) {
			bob.do(Leave{bob.client})
			bob.joinAs("r", "bob", of("bob"))
			bob.calls("ann")
			fresh := newPeer(h.t, h.Hub, quietLimit)
			if !fresh.takeOver("r", "bob", of("bob")) {
				h.t.Error("not taken over")
			}
		},
	} {
		t.Run(reason, func(t *testing.T) {
			withCalls(t, Options{}, func(t *testing.T, h *callsHub) {
				ann, bob := h.peer("ann"), h.peer("bob")
				ann.calls("bob")
				bob.answers("ann")
				synctest.Wait()
				if n := h.Stats.Calls.Active.Load(); n != 1 {
					t.Errorf("%d calls are active", n)
				}
				end(h, bob)
				time.Sleep(calls.LastWords + time.Millisecond)
				synctest.Wait()
				lines := h.lines(event.CallDone)
				if len(lines) == 0 || lines[len(lines)-1]["reason"] != reason && lines[0]["reason"] != reason {
					t.Errorf("lines: %v", lines)
				}
				if n := h.Stats.Calls.Active.Load(); n != 0 {
					t.Errorf("%d calls are active in the end", n)
				}
			})
		})
	}
}

// A call goes on while a connection is lost, and after it is resumed.
func TestCallOutlastsConnection(t *testing.T) {
	withCalls(t, Options{}, func(t *testing.T, h *callsHub) {
		ann, bob := h.peer("ann"), h.peer("bob")
		ann.calls("bob")
		received := len(bob.got())
		bob.lose()
		time.Sleep(time.Second)
		again := newPeer(t, h.Hub, quietLimit)
		if !again.resumes(bob, received) {
			t.Fatal("not resumed")
		}
		again.answers("ann")
		again.reports("ann", `{"outcome":"connected"}`)
		again.says("hangup", "ann", "")
		time.Sleep(calls.LastWords)
		synctest.Wait()
		lines := h.lines(event.CallDone)
		if len(lines) != 1 || lines[0]["outcome"] != "connected" || lines[0]["reason"] != "hangup" {
			t.Fatalf("lines: %v", lines)
		}
		c, err := h.Call(t.Context(), lines[0]["call"].(string))
		if err != nil || c == nil {
			t.Fatal(c, err)
		}
		var story []string
		for _, s := range c.Story {
			story = append(story, s.What)
		}
		if want := []string{"joined", "joined", "offer", "lost", "resumed", "answer", "report", "end"}; !slices.Equal(story, want) {
			t.Errorf("the story is %q", story)
		}
	})
}

// The counters and the events tell the same as the log.
func TestCallsAreCounted(t *testing.T) {
	withCalls(t, Options{}, func(t *testing.T, h *callsHub) {
		ann, bob := h.peer("ann"), h.peer("bob")
		ann.calls("bob")
		time.Sleep(time.Second)
		bob.answers("ann")
		ann.reports("bob", `{"outcome":"connected","setup_ms":500,"path":"srflx","protocol":"udp","rtt_ms":100,"loss":0.25}`)
		bob.reports("ann", `{"outcome":"connected","setup_ms":700,"path":"relay","protocol":"udp"}`)
		ann.says("hangup", "bob", "")
		bob.calls("ann")
		ann.says("hangup", "bob", "")
		time.Sleep(calls.LastWords)
		synctest.Wait()
		n := &h.Stats.Calls
		if n.Outcomes[wire.OutcomeConnected].Load() != 1 || n.Outcomes[wire.OutcomeDeclined].Load() != 1 || n.Active.Load() != 0 {
			t.Errorf("%d connected, %d declined, %d active",
				n.Outcomes[wire.OutcomeConnected].Load(), n.Outcomes[wire.OutcomeDeclined].Load(), n.Active.Load())
		}
		for p := range n.Paths {
			for protocol := range n.Paths[p] {
				want := uint64(0)
				if wire.Path(p) == wire.PathServerReflexive && wire.Protocol(protocol) == wire.ProtocolUDP {
					want = 1
				}
				if got := n.Paths[p][protocol].Load(); got != want {
					t.Errorf("%d calls by %s and %s", got, wire.Path(p), wire.Protocol(protocol))
				}
			}
		}
		for name, c := range map[string]struct {
			count uint64
			sum   float64
			want  float64
		}{"answer": sumOf(&n.Answer, 1), "setup": sumOf(&n.Setup, .5), "round-trip time": sumOf(&n.RTT, .1), "loss": sumOf(&n.Loss, .25)} {
			if c.count != 1 || c.sum != c.want {
				t.Errorf("%s: %d, in all %v, want %v", name, c.count, c.sum, c.want)
			}
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		var seen []string
		for _, e := range h.events {
			seen = append(seen, e.Kind.String()+" "+e.Call.From)
			if e.Room != "r" || e.Time.IsZero() || e.Call.Story != nil {
				t.Errorf("%+v", e)
			}
		}
		// The first one is over when its members call again.
		want := []string{"call started ann", "call answered ann", "call started bob", "call ended ann", "call ended bob"}
		slices.Sort(want[2:])
		slices.Sort(seen[2:])
		if !slices.Equal(seen, want) {
			t.Errorf("events %q", seen)
		}
	})
}

func sumOf(h interface {
	Snapshot() (uint64, float64, map[float64]uint64)
}, want float64) (c struct {
	count uint64
	sum   float64
	want  float64
}) {
	c.count, c.sum, _ = h.Snapshot()
	c.want = want
	return c
}

// A report is for members, about members of the same room; it is not answered, but it
// counts as handled.
func TestReportsThatAreRefused(t *testing.T) {
	withCalls(t, Options{}, func(t *testing.T, h *callsHub) {
		ann, out := h.peer("ann"), newPeer(t, h.Hub, quietLimit)
		other := newPeer(t, h.Hub, quietLimit)
		other.join("elsewhere", "other")
		ann.sees("ann")
		out.reports("ann", `{}`)
		out.wantError(wire.CodeNotJoined)
		ann.reports("other", `{}`)
		ann.wantError(wire.CodeTargetNotFound)
		bob := h.peer("bob")
		ann.calls("bob")
		for range 100 {
			ann.reports("bob", `{"outcome":"connected"}`)
		}
		ann.until(func(m message) bool { return m.Code == wire.CodeRateLimited.String() && m.Re == "report" })
		ann.sync()
		if handled := ann.client.member.handled; handled != 1+1+1+100 {
			t.Errorf("%d messages are handled", handled)
		}
		for _, m := range bob.got() {
			if m.Type == "report" {
				t.Error("a report was forwarded")
			}
		}
	})
}

// Where calls are not followed nothing is kept, counted or told of them, and reports are
// taken all the same.
func TestCallsAreOff(t *testing.T) {
	l := still(Options{})
	for _, id := range []string{"ann", "bob"} {
		c, _ := l.connect(1 << 20)
		l.join(c, "r", id, "")
	}
	ann := memberOf(l.rooms["r"], "ann")
	l.apply(forwardIn(ann.client, "r", "ann", `{"type":"offer","to":"bob","sdp":1}`))
	l.apply(&Report{Client: ann.client, To: "bob", Report: new(wire.Report)})
	l.apply(&Report{Client: ann.client, To: "nobody", Report: new(wire.Report)})
	l.finish()
	if n := l.hub.Stats.Calls.Active.Load(); l.calls != nil || n != 0 || ann.handled != 4 || l.hub.Stats.Refusals[wire.CodeTargetNotFound].Load() != 0 {
		t.Errorf("%v, %d active, %d handled", l.calls, n, ann.handled)
	}
}
