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

// kinds says what a message of each type is about, and of a forwarded one which field has the
// payload.
var kinds = map[string]struct {
	about Type
	body  payload.Kind
}{
	wire.TypeOffer.String():       {Forwarded, payload.Offer},
	wire.TypeAnswer.String():      {Forwarded, payload.Answer},
	wire.TypeCandidate.String():   {Forwarded, payload.Candidate},
	wire.TypeMessage.String():     {Forwarded, payload.Message},
	wire.TypeJoined.String():      {about: Joined},
	wire.TypeRoomMembers.String(): {about: Members},
	wire.TypeRoomChanges.String(): {about: Changes},
	wire.TypePong.String():        {about: Pong},
	wire.TypeResumed.String():     {about: Resumed},
	wire.TypeToken.String():       {about: Renewed},
	wire.TypeError.String():       {about: Refused},
}

// readParley reads what servers of the protocol, or of its base, send.
func readParley(message []byte, e *Event) error {
	*e = Event{Handled: -1}
	var kind, sdp, candidate, data []byte
	err := fields(message, &parleyRules, func(name, value []byte) {
		switch string(name) {
		case "type":
			kind = text(value)
		case "sdp":
			sdp = value
		case "candidate":
			candidate = value
		case "data":
			data = value
		default:
			e.set(name, value)
		}
	})
	if err != nil {
		return err
	}
	is := kinds[string(kind)]
	e.Type, e.Kind = is.about, is.body
	if e.Type == Forwarded {
		body := &data
		switch e.Kind {
		case payload.Offer, payload.Answer:
			body = &sdp
		case payload.Candidate:
			body = &candidate
		}
		e.Body, *body = *body, nil
	}
	for _, other := range [...][]byte{sdp, candidate, data} {
		if other != nil && !Valid(other) {
			return explain(message)
		}
	}
	return nil
}

// set takes a field that is no payload.
func (e *Event) set(name, value []byte) {
	switch string(name) {
	case "room":
		e.Room = text(value)
	case "from":
		e.From = text(value)
	case "to":
		e.To = text(value)
	case "members":
		e.Members = value
	case "joined":
		e.Joined = value
	case "left":
		e.Left = value
	case "rejoined":
		e.Rejoined = value
	case "count":
		e.Count = int(count(value))
	case "missed":
		e.Missed = int(count(value))
	case "handled":
		e.Handled = count(value)
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
}

// count returns a number of messages or members, or NoCount.
func count(value []byte) int64 {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || n < 0 {
		return NoCount
	}
	return n
}
