package payload

import (
	"embed"
	"encoding/json"
	"strings"
)

// template is the constant part of a payload, as JSON, around its stamp.
type template struct{ before, after string }

// descriptions are what Chromium 156 makes of two tracks, of a voice alone, and of
// a data channel.
//
//go:embed sdp/*.sdp
var descriptions embed.FS

// lines of candidates, as Chromium gathers them; the addresses are those that
// RFC 5737 and RFC 3849 set aside for examples.
var lines = []string{
	"candidate:3388485749 1 udp 2122260223 5a7c0b4e-29a6-4f0e-9b0f-0c8f6f3f5a10.local 51472 typ host generation 0 network-id 1 network-cost 10",
	"candidate:1876313031 1 tcp 1518280447 5a7c0b4e-29a6-4f0e-9b0f-0c8f6f3f5a10.local 9 typ host tcptype active generation 0 network-id 1",
	"candidate:842163049 1 udp 1686052607 192.0.2.17 46154 typ srflx raddr 0.0.0.0 rport 0 generation 0 network-id 1 network-cost 10",
	"candidate:2404376031 1 udp 1685987071 2001:db8:61::17 59020 typ srflx raddr :: rport 0 generation 0 network-id 2 network-cost 10",
	"candidate:3917223120 1 udp 41885439 198.51.100.30 61022 typ relay raddr 192.0.2.17 rport 46154 generation 0 network-id 1 network-cost 10",
	"candidate:1211076970 1 udp 25108223 198.51.100.30 61024 typ relay raddr 192.0.2.17 rport 51002 generation 0 network-id 1 network-cost 10",
}

// templates of each kind. Of session descriptions, most are of calls with a
// picture.
var templates = [NumKinds][]template{
	Offer:     sessions("offer"),
	Answer:    sessions("answer"),
	Candidate: candidates(),
	Message: {
		cut(map[string]string{"chat": slot}),
		cut(map[string]string{"chat": slot + " " + strings.Repeat("A few words that somebody types to all the others. ", 4)}),
	},
}

// slot stands for the stamp in what a template is made of.
const slot = "@"

// cut makes a template of a value with a slot in it.
func cut(v any) template {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	before, after, found := strings.Cut(string(text), slot)
	if !found {
		panic("payload: no slot for the stamp")
	}
	return template{before, after}
}

// sessions returns templates of session descriptions: of twenty, twelve with
// audio and video, five with audio, three with a data channel.
func sessions(kind string) (list []template) {
	for _, c := range []struct {
		name string
		n    int
	}{{"av", 12}, {"audio", 5}, {"data", 3}} {
		text, err := descriptions.ReadFile("sdp/" + c.name + "-" + kind + ".sdp")
		if err != nil {
			panic(err)
		}
		t := cut(strings.Replace(string(text), "\r\ns=-\r\n", "\r\ns="+slot+"\r\n", 1))
		for range c.n {
			list = append(list, t)
		}
	}
	return list
}

func candidates() (list []template) {
	for _, line := range lines {
		list = append(list, cut(struct {
			Candidate        string `json:"candidate"`
			SDPMid           string `json:"sdpMid"`
			SDPMLineIndex    int    `json:"sdpMLineIndex"`
			UsernameFragment string `json:"usernameFragment"`
		}{Candidate: line, SDPMid: "0", UsernameFragment: slot}))
	}
	return list
}

// Templates returns how many templates a kind has.
func Templates(k Kind) int { return len(templates[k]) }
