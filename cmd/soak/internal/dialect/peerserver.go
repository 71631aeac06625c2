package dialect

import (
	"net/url"
	"strings"
	"time"

	"github.com/parley-rtc/parley/cmd/soak/internal/payload"
)

// PeerServer is the protocol of PeerJS's server: one space of ids, no rooms, no
// list of members. The base URL is that of its WebSocket, such as
// ws://127.0.0.1:9000/peerjs; its query may hold another key than "peerjs".
var _ = register(&Dialect{
	Name:           "peerserver",
	Heartbeat:      []byte(`{"type":"HEARTBEAT"}`),
	HeartbeatEvery: 5 * time.Second,
	URL: func(base *url.URL, _, id string) *url.URL {
		u := *base
		q := u.Query()
		if !q.Has("key") {
			q.Set("key", "peerjs")
		}
		q.Set("id", id)
		q.Set("token", "soak")
		q.Set("version", "1.5.4")
		u.RawQuery = q.Encode()
		return &u
	},
	Message: func(b []byte, m *Message) []byte {
		b = append(append(b, `{"type":"`...), peerTypes[m.Stamp.Kind]...)
		b = append(append(append(b, `","dst":"`...), m.To...), `","payload":`...)
		return append(payload.Append(b, &m.Stamp), '}')
	},
	Read: func(message []byte, e *Event) error {
		*e = Event{}
		var kind string
		var body []byte
		err := fields(message, &peerRules, func(name, value []byte) {
			switch string(name) {
			case "type":
				kind = string(text(value))
			case "src":
				e.From = text(value)
			case "dst":
				e.To = text(value)
			case "payload":
				body = value
			}
		})
		if err != nil {
			return err
		}
		switch kind {
		case "OPEN":
			e.Type = Joined
		case "EXPIRE":
			// The server kept a message for somebody who did not come.
			e.Type, e.Code, e.Text = Refused, []byte("EXPIRE"), e.From
		case "ERROR", "ID-TAKEN", "INVALID-KEY":
			e.Type, e.Code, e.Text = Refused, []byte(strings.ToLower(kind)), body
		}
		for k, name := range peerTypes {
			if kind == name {
				e.Type, e.Kind, e.Body = Forwarded, payload.Kind(k), body
			}
		}
		if e.Type != Forwarded && body != nil && !Valid(body) {
			return explain(message)
		}
		return nil
	},
})

var peerRules = rules{body: func(name []byte) bool { return string(name) == "payload" }}

var peerTypes = [payload.NumKinds]string{
	payload.Offer: "OFFER", payload.Answer: "ANSWER", payload.Candidate: "CANDIDATE", payload.Message: "MESSAGE",
}
