package wire

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// Everything in a report is optional; what is unknown or null is ignored.
func TestReport(t *testing.T) {
	full := `{"outcome":"connected","setup_ms":812.5,"ice_ms":300,"dtls_ms":90,"duration_ms":1e6,"path":"relay","protocol":"tls",` +
		`"rtt_ms":41,"jitter_ms":3,"loss":0.02,"kbps_in":1200,"kbps_out":800,"freezes":2,"reason":"ice_restart","\u006eew":{"loss":9}}`
	r, refusal := ParseReport([]byte(full))
	if refusal != nil {
		t.Fatal(refusal)
	}
	if r.Outcome != OutcomeConnected || r.Path != PathRelay || r.Protocol != ProtocolTLS || r.Reason != "ice_restart" {
		t.Errorf("%+v", r)
	}
	for f, want := range []float64{812.5, 300, 90, 1e6, 41, 3, 0.02, 1200, 800, 2} {
		if v, ok := r.Figure(Figure(f)); !ok || v != want {
			t.Errorf("%s is %v, %v", figures[f].name, v, ok)
		}
	}
	for _, text := range []string{`{}`, ` { } `[1:], `{"outcome":null,"path":null,"protocol":null,"reason":null,"loss":null,"x":1}`} {
		if r, refusal := ParseReport([]byte(text)); refusal != nil || !reflect.DeepEqual(r, Report{}) {
			t.Errorf("%s: %+v, %v", text, r, refusal)
		}
	}
	if r, _ := ParseReport([]byte(`{"loss":0}`)); r.has != 1<<Loss {
		t.Error("a loss of 0 is taken for none")
	}
}

// A report that was written can be read again, by another server or a program.
func TestReportAsJSON(t *testing.T) {
	want, _ := ParseReport([]byte(`{"outcome":"failed","reason":"no_relay","loss":0,"rtt_ms":12.25,"path":"host"}`))
	b, err := json.Marshal(&want)
	if err != nil {
		t.Fatal(err)
	}
	var got Report
	if err := json.Unmarshal(b, &got); err != nil || got != want {
		t.Errorf("%s: %+v, %v", b, got, err)
	}
	if json.Unmarshal([]byte(`{"loss":7}`), &got) == nil {
		t.Error("a loss of 7 was read")
	}
}

// A report that says what cannot be is refused.
func TestReportsThatAreRefused(t *testing.T) {
	for _, text := range []string{
		`[]`, `"x"`, `7`, `null`,
		`{"outcome":"fine"}`, `{"outcome":"answered"}`, `{"outcome":"dropped"}`, `{"outcome":""}`, `{"outcome":1}`,
		`{"path":"local"}`, `{"path":[]}`, `{"protocol":"UDP"}`, `{"protocol":true}`,
		`{"reason":""}`, `{"reason":"two words"}`, `{"reason":"192.0.2.1"}`, `{"reason":"2001:db8::1"}`, `{"reason":7}`,
		`{"reason":"` + strings.Repeat("x", MaxReason+1) + `"}`,
		`{"loss":1.01}`, `{"loss":-0.1}`, `{"loss":"0"}`, `{"loss":true}`, `{"setup_ms":3600001}`, `{"rtt_ms":1e999}`, `{"freezes":-1}`,
		`{"loss":0,"loss":0}`, `{"loss":0,"\u006coss":1}`, `{"outcome":"busy","outcome":"ended"}`,
		`{"x":"` + strings.Repeat("x", MaxReport) + `"}`,
	} {
		if r, refusal := ParseReport([]byte(text)); refusal == nil || refusal.Code != CodeBadMessage {
			t.Errorf("%.60s: %+v, %v", text, r, refusal)
		}
	}
}

// A report needs a receiver and data.
func TestReportMessage(t *testing.T) {
	var e Envelope
	if r := e.Parse([]byte(`{"type":"report","to":"bob","data": {"loss":0} }`)); r != nil || string(e.Data) != `{"loss":0}` || e.Type != TypeReport {
		t.Errorf("%v, %q", r, e.Data)
	}
	for _, text := range []string{`{"type":"report","to":"bob"}`, `{"type":"report","data":{}}`} {
		if r := e.Parse([]byte(text)); r == nil || r.Code != CodeBadMessage {
			t.Errorf("%s: %v", text, r)
		}
	}
	if TypeReport.Forwarded() || TypeReport.Needs() != 0 {
		t.Error("a report is forwarded, or needs a right")
	}
}

// Whatever JSON is the data of a report, it is read or refused.
func FuzzReport(f *testing.F) {
	f.Add([]byte(`{"outcome":"connected","loss":0.5,"reason":"x","a":[{"b":null}]}`))
	f.Add([]byte(` {"\u006coss" : 1 , "path":"host"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e Envelope
		if e.Parse([]byte(`{"type":"report","to":"x","data":`+string(data)+`}`)) != nil {
			return
		}
		r, refusal := ParseReport(e.Data)
		if refusal != nil {
			return
		}
		b, err := json.Marshal(&r)
		if err != nil {
			t.Fatal(err)
		}
		if again, refusal := ParseReport(b); refusal != nil || again != r {
			t.Errorf("%s: %+v, %v", b, again, refusal)
		}
	})
}
