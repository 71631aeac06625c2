package dialect

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/parley-rtc/parley/cmd/soak/internal/payload"
	"github.com/parley-rtc/parley/hub/wire"
)

// Parley is the protocol of parleyd, version 1. Towards a server that has not said
// "joined", which knows the base protocol only, clients keep to that one.
var _ = register(&Dialect{
	Name:       "parley",
	Membership: true,
	Broadcast:  true,
	Exact:      true,
	URL:        Hinted,
	Join: func(b []byte, e *Entry) []byte {
		b = append(join(b, e), `,"resumable":true`...)
		if e.Changes {
			b = append(b, `,"changes":true`...)
		}
		return append(b, '}')
	},
	Renew: renew,
	Probe: func(b []byte, ref, nobody, somebody string, forged bool) []byte {
		if forged {
			return fmt.Appendf(b, `{"type":"candidate","from":%q,"to":%q,"ref":%q,"candidate":null}`, nobody, somebody, ref)
		}
		return fmt.Appendf(b, `{"type":"candidate","to":%q,"ref":%q,"candidate":null}`, nobody, ref)
	},
	Leave: []byte(`{"type":"leave"}`),
	Message: func(b []byte, m *Message) []byte {
		if len(m.Ref) == 0 {
			return baseMessage(b, m)
		}
		b = append(append(b, `{"type":"`...), m.Stamp.Kind.String()...)
		if m.To != "" {
			b = append(append(b, `","to":"`...), m.To...)
		}
		b = append(append(append(b, `","ref":"`...), m.Ref...), `",`...)
		return appendBody(b, m)
	},
	Read: readParley,
})

// Hinted is the address of a server that may be several: it names the room's partition, so that
// a load balancer before them can bring all members of a room to one.
func Hinted(base *url.URL, room, _ string) *url.URL {
	u := *base
	q := u.Query()
	q.Set("room", strconv.Itoa(wire.PartitionOf(room)))
	u.RawQuery = q.Encode()
	return &u
}

func appendBody(b []byte, m *Message) []byte {
	b = append(b, bodies[m.Stamp.Kind]...)
	return append(payload.Append(b, &m.Stamp), '}')
}

// bodies are the fields of payloads.
var bodies = [payload.NumKinds]string{
	payload.Offer: `"sdp":`, payload.Answer: `"sdp":`, payload.Candidate: `"candidate":`, payload.Message: `"data":`,
}

// parleyRules are the protocol's: two readers must never see two different senders.
var parleyRules = rules{unique: true, body: func(name []byte) bool {
	switch string(name) {
	case "sdp", "candidate", "data":
		return true
	}
	return false
}}

// readParley reads what servers of the protocol, or of its base, send.
func readParley(message []byte, e *Event) error {
	*e = Event{Handled: -1}
	var sdp, candidate, data []byte
	number := func(value []byte) int64 {
		n, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil || n < 0 {
			return NoCount
		}
		return n
	}
	var kind string
	err := fields(message, &parleyRules, func(name, value []byte) {
		switch string(name) {
		case "type":
			switch s := text(value); string(s) { // no copy for the frequent ones
			case "candidate":
				kind = "candidate"
			case "offer":
				kind = "offer"
			case "answer":
				kind = "answer"
			default:
				kind = string(s)
			}
		case "room":
			e.Room = text(value)
		case "from":
			e.From = text(value)
		case "to":
			e.To = text(value)
		case "sdp":
			sdp = value
		case "candidate":
			candidate = value
		case "data":
			data = value
		case "members":
			e.Members = value
		case "joined":
			e.Joined = value
		case "left":
			e.Left = value
		case "rejoined":
			e.Rejoined = value
		case "count":
			e.Count = int(number(value))
		case "missed":
			e.Missed = int(number(value))
		case "handled":
			e.Handled = number(value)
		case "code":
			e.Code = text(value)
		case "error":
			e.Text = text(value)
		case "re":
			e.Re = text(value)
		case "ref":
			e.Ref = text(value)
		case "session":
			e.Session = text(value)
		case "ice_servers":
			e.ICEServers = value
		}
	})
	if err != nil {
		return err
	}
	forwarded := func(k payload.Kind, body *[]byte) { e.Type, e.Kind, e.Body, *body = Forwarded, k, *body, nil }
	switch kind {
	case wire.TypeCandidate.String():
		forwarded(payload.Candidate, &candidate)
	case wire.TypeOffer.String():
		forwarded(payload.Offer, &sdp)
	case wire.TypeAnswer.String():
		forwarded(payload.Answer, &sdp)
	case wire.TypeMessage.String():
		forwarded(payload.Message, &data)
	case wire.TypeJoined.String():
		e.Type = Joined
	case wire.TypeRoomMembers.String():
		e.Type = Members
	case "room_changes":
		e.Type = Changes
	case wire.TypePong.String():
		e.Type = Pong
	case wire.TypeResumed.String():
		e.Type = Resumed
	case wire.TypeToken.String():
		e.Type = Renewed
	case wire.TypeError.String():
		e.Type = Refused
	}
	for _, other := range [...][]byte{sdp, candidate, data} {
		if other != nil && !Valid(other) {
			return explain(message)
		}
	}
	return nil
}
