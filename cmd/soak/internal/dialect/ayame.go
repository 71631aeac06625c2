package dialect

import (
	"time"

	"github.com/parley-rtc/parley/cmd/soak/internal/payload"
)

// Ayame is the protocol of Ayame: rooms of two, in which whatever one says is for the other.
// The base URL is that of its WebSocket, such as ws://127.0.0.1:3000/signaling. Runs need
// rooms of two (--peers 2).
var _ = register(&Dialect{
	Name:      "ayame",
	Heartbeat: []byte(`{"type":"pong"}`), // the server's pings are answered before they come
	Exact:     true,
	URL:       here,
	Join: func(b []byte, e *Entry) []byte {
		b = append(append(b, `{"type":"register","roomId":"`...), e.Room...)
		return append(append(append(b, `","clientId":"`...), e.ID...), `"}`...)
	},
	HeartbeatEvery: 20 * time.Second,
	Message: func(b []byte, m *Message) []byte {
		b = append(append(b, `{"type":"`...), ayameTypes[m.Stamp.Kind]...)
		b = append(append(b, `","kind":"`...), m.Stamp.Kind.String()...)
		b = append(append(b, `","from":"`...), m.From...)
		b = append(append(b, `","to":"`...), m.To...)
		return append(payload.Append(append(b, `","ice":`...), &m.Stamp), '}')
	},
	Read: func(message []byte, e *Event) error {
		*e = Event{}
		var kind, forwarded string
		var reason []byte
		err := fields(message, &ayameRules, func(name, value []byte) {
			switch string(name) {
			case "type":
				kind = string(text(value))
			case "kind":
				forwarded = string(text(value))
			case "from":
				e.From = text(value)
			case "to":
				e.To = text(value)
			case "ice":
				e.Body = value
			case "reason":
				reason = text(value)
			case "iceServers":
				e.ICEServers = value
			}
		})
		switch {
		case err != nil:
			return err
		case kind == "accept":
			e.Type = Joined
		case kind == "reject":
			e.Type, e.Code, e.Text = Refused, []byte(kind), reason
		}
		for k := range payload.Kind(payload.NumKinds) {
			if k.String() == forwarded && e.Body != nil {
				e.Type, e.Kind = Forwarded, k
			}
		}
		return nil
	},
})

var ayameRules = rules{body: func(name []byte) bool { return string(name) == "ice" }}

// ayameTypes are the types of messages. An application's own go as candidates: what they are
// is said apart.
var ayameTypes = [payload.NumKinds]string{
	payload.Offer: "offer", payload.Answer: "answer", payload.Candidate: "candidate", payload.Message: "candidate",
}
