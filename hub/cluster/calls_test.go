package cluster

import (
	"fmt"
	"slices"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// says sends a message of a call.
func (c *client) says(typ, to, fields string) {
	c.t.Helper()
	var e wire.Envelope
	if r := e.Parse(fmt.Appendf(nil, `{"type":%q,"to":%q%s}`, typ, to, fields)); r != nil {
		c.t.Fatal(r)
	}
	if e.Type == wire.TypeReport {
		report, refusal := wire.ParseReport(e.Data)
		if refusal != nil {
			c.t.Fatal(refusal)
		}
		_ = c.n.Do(&actor.Report{Client: c.client, To: to, Report: &report, Refused: frame.Refused{Re: "report", To: to}})
		return
	}
	s := wire.NewSuffixes(c.room, c.id)
	_ = c.n.Do(actor.NewForward(c.client, &e, frame.Forward(&e, &s)))
}

// A call of members with two nodes is followed by the owner of their room, and goes on
// with the next owner when the room is handed over: it ends there, with what was known
// before. Every node lists it and tells its story.
func TestCallAcrossNodes(t *testing.T) {
	m := newMemory()
	core, logged := observer.New(zap.InfoLevel)
	nodes := map[string]*Node{}
	for _, name := range []string{"a", "b", "c"} {
		n, err := New(Options{
			Name: name, Backplane: m.join(name), QueueBytes: 1 << 20,
			Hub: hub.Options{ResumeWindow: window, TrackCalls: true, Logger: zap.New(core)},
		})
		if err != nil {
			t.Fatal(err)
		}
		nodes[name] = n
		t.Cleanup(n.Close)
	}
	for name, n := range nodes {
		await(t, name+" is ready", n.Ready)
	}
	room := roomOwnedBy(t, nodes["c"])
	ann, bob := connect(t, nodes["a"]), connect(t, nodes["b"])
	ann.join(room, "ann", nil, true)
	bob.join(room, "bob", nil, true)
	ann.sees("ann", "bob")
	ann.says("offer", "bob", `,"sdp":"x"`)
	bob.until("the offer", func(m message) bool { return m.Type == "offer" })
	bob.says("answer", "ann", `,"sdp":"x"`)
	ann.until("the answer", func(m message) bool { return m.Type == "answer" })
	bob.says("report", "ann", `,"data":{"outcome":"connected","path":"relay","protocol":"udp","rtt_ms":40}`)
	bob.says("report", "stranger", `,"data":{}`)
	bob.until("the error", func(m message) bool { return m.Code == "target_not_found" })

	id := ""
	lists := func() {
		t.Helper()
		for name, n := range nodes {
			all, err := n.Calls(t.Context())
			if err != nil || len(all) != 1 || all[0].Room != room || all[0].From != "ann" || all[0].Path != wire.PathRelay || id != "" && all[0].ID != id {
				t.Fatalf("%s lists %+v, %v", name, all, err)
			}
			id = all[0].ID
			c, err := n.Call(t.Context(), id)
			if err != nil || c == nil || !slices.ContainsFunc(c.Story, func(s event.CallStep) bool { return s.Report != nil }) {
				t.Fatalf("%s tells of it %+v, %v", name, c, err)
			}
			if c, err := n.Call(t.Context(), "none"); c != nil || err != nil {
				t.Errorf("%s tells of no call %+v, %v", name, c, err)
			}
		}
	}
	lists()
	if err := nodes["c"].Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	nodes["c"].Close()
	delete(nodes, "c")
	ann.says("message", "bob", `,"data":1`)
	bob.until("a message by the next owner", func(m message) bool { return m.Type == "message" })
	for name, n := range nodes {
		await(t, name+" asks c no more", func() bool {
			_, err := n.Calls(t.Context())
			return err == nil
		})
	}
	lists()
	if n := logged.FilterMessage(event.CallDone).Len(); n != 0 {
		t.Errorf("%d calls are over", n)
	}
	ann.says("hangup", "bob", "")
	bob.until("the hang-up", func(m message) bool { return m.Type == "hangup" })
	_ = ann.n.Do(actor.Leave{Client: ann.client})
	_ = bob.n.Do(actor.Leave{Client: bob.client})
	await(t, "a line about the call", func() bool { return logged.FilterMessage(event.CallDone).Len() == 1 })
	line := logged.FilterMessage(event.CallDone).All()[0].ContextMap()
	if line["call"] != id || line["outcome"] != "connected" || line["path"] != "relay" || line["reason"] != "hangup" || line["by"] != "ann" || line["rtt"] == nil {
		t.Errorf("the line has %v", line)
	}
	active := int64(0)
	for _, n := range nodes {
		active += n.stats.Calls.Active.Load()
	}
	if active != 0 {
		t.Errorf("%d calls are active", active)
	}
}
