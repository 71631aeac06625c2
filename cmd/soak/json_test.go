package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/parley-rtc/parley/cmd/soak/internal/crowd"
	"github.com/parley-rtc/parley/cmd/soak/internal/report"
)

// soak finds JSON that a strict reader would refuse, in the envelope and in the payload.
func TestNotJSON(t *testing.T) {
	for name, change := range map[string]func(text []byte) []byte{
		"no comma": func(text []byte) []byte { return bytes.Replace(text, []byte(`,"`), []byte(` "`), 1) },
		"a comma too many": func(text []byte) []byte {
			return append(bytes.Clone(text[:len(text)-1]), `,}`...)
		},
		"a field twice": func(text []byte) []byte {
			return append(bytes.Clone(text[:len(text)-1]), `,"\u0066rom":"mallory"}`...)
		},
		"a bad literal": func(text []byte) []byte { return append(bytes.Clone(text[:len(text)-1]), `,"new":yes}`...) },
		"invalid UTF-8": func(text []byte) []byte {
			return append(bytes.Clone(text[:len(text)-1]), ",\"new\":\"\xff\"}"...)
		},
		"a bad escape in the payload":        func(text []byte) []byte { return bytes.Replace(text, []byte(`v=0\r`), []byte(`v=0\x`), 1) },
		"a control character in the payload": func(text []byte) []byte { return bytes.Replace(text, []byte(`v=0\r\n`), []byte("v=0\r\n"), 1) },
		"a wrong bracket within the payload": func(text []byte) []byte {
			return bytes.Replace(text, []byte(`"sdpMid":"0"`), []byte(`"sdpMid":["0"}`), 1)
		},
		"a number that begins with a 0 in it": func(text []byte) []byte {
			return bytes.Replace(text, []byte(`"sdpMLineIndex":0`), []byte(`"sdpMLineIndex":00`), 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &faulty{upstream: server(t), change: func(_ *faulty, c *client, text []byte) {
				if isForwarded(text) {
					text = change(text)
				}
				c.pass(text)
			}}
			code, out, r := soak(t, f.start(t), small...)
			if code != report.ExitFailed || len(r.Faults) == 0 || !strings.Contains(out, "FAULT     "+crowd.Garbage+": ") {
				t.Errorf("exit code %d:\n%s", code, out)
			}
			for _, k := range r.Faults {
				if k.Kind != crowd.Garbage && k.Kind != crowd.Lost {
					t.Errorf("it is taken for %q:\n%s", k.Kind, out)
				}
			}
		})
	}
}

// A server may write JSON as it likes: with spaces, fields that soak does not know,
// names in escapes, and objects that have a name twice further down.
func TestUnusualJSON(t *testing.T) {
	t.Parallel()
	f := &faulty{upstream: server(t), change: func(_ *faulty, c *client, text []byte) {
		text = bytes.Replace(text, []byte(`"type"`), []byte(`"\u0074ype"`), 1)
		text = bytes.Replace(text, []byte(`"sdp":`), []byte(`"s\u0064p" : `), 1)
		c.pass(append(bytes.Clone(text[:len(text)-1]), " , \"new\" : {\"a\":[1e-9,-0.5],\"a\":\"\\ud83d\\ude00 é\"}\r\n}\t"...))
	}}
	code, out, _ := soak(t, f.start(t), small...)
	if code != report.ExitOK {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}
