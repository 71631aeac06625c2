package daemon

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// A call is in the log, the metrics, the admin API, the commands and the webhook's events, and all
// say the same of it.
func TestCall(t *testing.T) {
	type told struct {
		Type string
		Data map[string]any
	}
	events := make(chan told, 100)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var e told
		if err := json.Unmarshal(body, &e); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		if strings.HasPrefix(e.Type, "call.") {
			events <- e
		}
	}))
	t.Cleanup(app.Close)
	d := parleyd.Start(t, "--event-webhook", app.URL, "--webhook-secret-file", webhookSecret(t))
	o := operate(t, d, "")
	ann, bob := connect(t, d), connect(t, d)
	ann.join("garden", "ann")
	bob.join("garden", "bob")
	ann.sees("bob")
	ann.send(`{"type":"offer","to":"bob","sdp":"v=0"}`)
	bob.until(func(m message) bool { return m.Type == "offer" })
	ringing := o.ask("GET", "/api/v1/calls?state=ringing&live=true&member=bob&room=garden", "", 200)
	if ringing["total"] != 1.0 {
		t.Fatalf("ringing: %v", ringing)
	}
	bob.send(`{"type":"answer","to":"ann","sdp":"v=0"}`)
	bob.send(`{"type":"report","to":"ann","data":{"outcome":"connected","setup_ms":640,"path":"relay","protocol":"tls","rtt_ms":55,"loss":0.01}}`)
	bob.send(`{"type":"report","to":"ann","data":{"loss":2},"ref":"wrong"}`)
	if m := bob.until(func(m message) bool { return m.Type == "error" }); m.Code != "bad_message" || m.Re != "report" || m.Ref != "wrong" {
		t.Errorf("a loss of 2: %+v", m)
	}
	bob.send(`{"type":"report","to":"carl","data":{}}`)
	if m := bob.until(func(m message) bool { return m.Type == "error" }); m.Code != "target_not_found" {
		t.Errorf("a report about nobody: %+v", m)
	}
	out := connect(t, d)
	out.send(`{"type":"report","to":"ann","data":{}}`)
	if m := out.next(); m.Code != "not_joined" {
		t.Errorf("a report from outside: %+v", m)
	}
	if c := o.ask("GET", "/api/v1/calls", "", 200)["items"].([]any)[0].(map[string]any); c["state"] != "connected" || c["rtt"] != 0.055 {
		t.Errorf("live: %v", c)
	}
	bob.send(`{"type":"hangup","to":"ann"}`)
	ann.until(func(m message) bool { return m.Type == "hangup" })
	bob.send(`{"type":"report","to":"ann","data":{"outcome":"ended","duration_ms":100}}`)
	ann.send(`{"type":"report","to":"bob","data":{"outcome":"ended","duration_ms":100}}`)

	line := d.Wait(t, "call", "room", "garden", "from", "ann", "to", "bob", "outcome", "connected", "reason", "hangup", "by", "bob",
		"path", "relay", "protocol", "tls", "setup", 0.64, "rtt", 0.055, "loss", 0.01, "offers", 1)
	id := line["call"].(string)
	if c := o.ask("GET", "/api/v1/calls?live=false", "", 200)["items"].([]any)[0].(map[string]any); c["id"] != id || c["state"] != "connected" || c["rtt"] != line["rtt"] {
		t.Errorf("over: %v", c)
	}
	for query, want := range map[string]float64{"contains=gard": 1, "contains=bo": 1, "contains=nobody": 0, "member=carl": 0, "room=attic": 0} {
		if n := o.ask("GET", "/api/v1/calls?"+query, "", 200)["total"]; n != want {
			t.Errorf("%v calls with %s, want %v", n, query, want)
		}
	}
	c := o.ask("GET", "/api/v1/call?id="+id, "", 200)
	var story []string
	for _, s := range c["story"].([]any) {
		story = append(story, s.(map[string]any)["what"].(string))
	}
	if want := []string{"joined", "joined", "offer", "answer", "report", "end", "report", "report"}; !slices.Equal(story, want) {
		t.Errorf("the story: %q", story)
	}
	o.ask("GET", "/api/v1/call?id=none", "", 404)
	for _, want := range []string{
		`parley_calls_total{outcome="connected"} 1`, `parley_calls_active 0`, `parley_call_path_total{path="relay",protocol="tls"} 1`,
		`parley_call_setup_seconds_sum 0.64`, `parley_call_answer_seconds_count 1`, `parley_call_rtt_seconds_sum 0.055`, `parley_call_loss_ratio_sum 0.01`,
	} {
		if _, metrics := parleyd.Get(t, d.Admin, "/metrics"); !strings.Contains(metrics, "\n"+want+"\n") {
			t.Errorf("no metric %s", want)
		}
	}
	for _, want := range []struct {
		args []string
		says string
	}{
		{[]string{"calls"}, id}, {[]string{"calls", "--live", "true"}, "LASTED"}, {[]string{"calls", "--member", "ann", "--json"}, `"state":"connected"`},
		{[]string{"call", id}, "ann called bob in garden: connected, hangup, relay/tls"}, {[]string{"call", id}, `{"duration_ms":100,"outcome":"ended"}`},
	} {
		if got := output(t, append([]string{"admin", "--server", "http://" + d.Admin}, want.args...)...); !strings.Contains(got, want.says) {
			t.Errorf("admin %q said %s, want %s", want.args, got, want.says)
		}
	}
	for _, want := range []string{"call.started", "call.answered", "call.ended"} {
		e := <-events
		if e.Type != want || e.Data["call"] != id || e.Data["room"] != "garden" || e.Data["from"] != "ann" || e.Data["to"] != "bob" {
			t.Errorf("event %+v, want %s", e, want)
		}
		if want == "call.ended" && (e.Data["outcome"] != "connected" || e.Data["by"] != "bob" || e.Data["duration"] != line["duration"] || e.Data["setup"] != 0.64) {
			t.Errorf("event %+v, the log has %v", e, line)
		}
	}
}

// A failure is told at once, while the call may still come up.
func TestCallFails(t *testing.T) {
	d := parleyd.Start(t)
	ann, bob := connect(t, d), connect(t, d)
	ann.join("garden", "ann")
	bob.join("garden", "bob")
	ann.sees("bob")
	ann.send(`{"type":"offer","to":"bob","sdp":"v=0"}`)
	ann.send(`{"type":"report","to":"bob","data":{"outcome":"failed","reason":"no_relay"}}`)
	d.Wait(t, "call failed", "level", "warn", "from", "ann", "to", "bob", "by", "ann", "cause", "no_relay")
	ann.send(`{"type":"leave"}`)
	bob.send(`{"type":"leave"}`)
	d.Wait(t, "call", "outcome", "failed", "cause", "no_relay", "reason", "left")
}

// With --calls=false nothing is kept, logged or counted, and what clients report is taken all the
// same.
func TestCallsAreOff(t *testing.T) {
	d := parleyd.Start(t, "--calls=false")
	o := operate(t, d, "")
	ann, bob := connect(t, d), connect(t, d)
	ann.join("garden", "ann")
	bob.join("garden", "bob")
	ann.sees("bob")
	ann.send(`{"type":"offer","to":"bob","sdp":"v=0"}`)
	ann.send(`{"type":"report","to":"bob","data":{"outcome":"failed"}}`)
	ann.send(`{"type":"hangup","to":"bob"}`)
	ann.send(`{"type":"ping"}`)
	if m := ann.next(); m.Type != "pong" {
		t.Errorf("got %+v", m)
	}
	if c := o.ask("GET", "/api/v1/calls", "", 200); c["total"] != 0.0 {
		t.Errorf("calls: %v", c)
	}
	ann.send(`{"type":"leave"}`)
	bob.send(`{"type":"leave"}`)
	d.Wait(t, "room closed")
	for _, line := range d.Lines() {
		if line["msg"] == "call" || line["msg"] == "call failed" {
			t.Errorf("logged %v", line)
		}
	}
	_, metrics := parleyd.Get(t, d.Admin, "/metrics")
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "parley_call") && !strings.HasSuffix(line, " 0\n") {
			t.Errorf("counted %s", line)
		}
	}
}
