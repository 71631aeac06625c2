package dialect

import (
	"github.com/parley-rtc/parley/cmd/soak/internal/payload"
)

// YWebRTC is the protocol of y-webrtc's signaling server: a room is a topic, to which all is
// published. The base URL is that of its WebSocket, such as ws://127.0.0.1:4444/.
var _ = register(&Dialect{
	Name:      "y-webrtc",
	Broadcast: true,
	Shared:    true,
	URL:       here,
	Join: func(b []byte, e *Entry) []byte {
		return append(append(append(b, `{"type":"subscribe","topics":["`...), e.Room...), `"]}`...)
	},
	Settle: []byte(`{"type":"ping"}`),
	Message: func(b []byte, m *Message) []byte {
		b = append(append(b, `{"type":"publish","topic":"`...), m.Room...)
		b = append(append(b, `","data":{"from":"`...), m.From...)
		if m.To != "" {
			b = append(append(b, `","to":"`...), m.To...)
		}
		b = append(append(append(b, `","type":"`...), m.Stamp.Kind.String()...), `","signal":`...)
		return append(payload.Append(b, &m.Stamp), '}', '}')
	},
	Read: func(message []byte, e *Event) error {
		*e = Event{}
		var kind string
		var data []byte
		err := fields(message, &noRules, func(name, value []byte) {
			switch string(name) {
			case "type":
				kind = string(text(value))
			case "topic":
				e.Room = text(value)
			case "data":
				data = value
			}
		})
		switch {
		case err != nil:
			return err
		case kind == "pong":
			e.Type = Joined
		case kind == "publish":
			return published(data, e)
		}
		return nil
	},
})

// published reads what one member has published for another, or for all.
func published(data []byte, e *Event) error {
	kind := ""
	err := fields(data, &signalRules, func(name, value []byte) {
		switch string(name) {
		case "from":
			e.From = text(value)
		case "to":
			e.To = text(value)
		case "type":
			kind = string(text(value))
		case "signal":
			e.Body = value
		}
	})
	for k := range payload.Kind(payload.NumKinds) {
		if k.String() == kind {
			e.Type, e.Kind = Forwarded, k
		}
	}
	return err
}

var (
	noRules     = rules{body: func([]byte) bool { return false }}
	signalRules = rules{body: func(name []byte) bool { return string(name) == "signal" }}
)
