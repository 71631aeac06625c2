package wire

import (
	"encoding/json"
	"strconv"
	"time"
)

// The answers that a connection makes itself. Each is encoded as the text of one
// message.

// Joined is the answer to a join that was accepted.
type Joined struct {
	Room, From, Name, Session, Ref string
	// Rights are the names of the member's rights; nil: they are not told.
	Rights []string
	// ICEServers is a JSON array of RTCIceServer objects; empty: none.
	ICEServers json.RawMessage
	// MessageBytes is the largest message that the server accepts, in bytes.
	MessageBytes int
}

// Text encodes the message.
func (m *Joined) Text() []byte {
	o := begin(TypeJoined, 192+len(m.ICEServers))
	o.text("room", m.Room)
	o.text("from", m.From)
	o.text("name", m.Name)
	o.text("session", m.Session)
	o.json("ice_servers", m.ICEServers)
	if m.Rights != nil {
		rights, _ := json.Marshal(m.Rights) // strings: never fails
		o.json("rights", rights)
	}
	o.b = append(o.b, ',')
	o.b = AppendLimits(o.b, m.MessageBytes)
	o.text("ref", m.Ref)
	return o.end()
}

// AppendLimits appends the member "limits" of an object.
func AppendLimits(b []byte, messageBytes int) []byte {
	b = append(b, `"limits":{"message_bytes":`...)
	return append(strconv.AppendInt(b, int64(messageBytes), 10), '}')
}

// ICEText answers an ice message. servers is a JSON array of RTCIceServer objects.
func ICEText(servers json.RawMessage, ref string) []byte {
	o := begin(TypeICE, 64+len(servers))
	o.json("ice_servers", servers)
	o.text("ref", ref)
	return o.end()
}

// PongText answers a ping.
func PongText(ref string) []byte {
	o := begin(TypePong, 32)
	o.text("ref", ref)
	return o.end()
}

// TokenText answers a token that was accepted: it holds until expires; zero: for ever.
func TokenText(expires time.Time, ref string) []byte {
	o := begin(TypeToken, 96)
	if !expires.IsZero() {
		o.text("expires", expires.UTC().Format(time.RFC3339))
	}
	o.text("ref", ref)
	return o.end()
}

// object is a JSON object that is being written.
type object struct{ b []byte }

func begin(t Type, size int) *object {
	o := &object{make([]byte, 0, size)}
	o.b = AppendQuoted(append(o.b, `{"type":`...), t.String())
	return o
}

func (o *object) name(name string) {
	o.b = append(append(append(o.b, ',', '"'), name...), '"', ':')
}

// text appends a string; nothing where it is empty.
func (o *object) text(name, s string) {
	if s != "" {
		o.name(name)
		o.b = AppendQuoted(o.b, s)
	}
}

// json appends a value; nothing where it is empty.
func (o *object) json(name string, value json.RawMessage) {
	if len(value) > 0 {
		o.name(name)
		o.b = append(o.b, value...)
	}
}

func (o *object) end() []byte { return append(o.b, '}') }
