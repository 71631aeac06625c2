package ywebrtc

import "github.com/parley-rtc/parley/hub/wire"

// incoming is what a client has sent. Its slices point into the text, or to copies of what
// has escapes.
type incoming struct {
	typ    string // one of those below
	topic  []byte // of a publish; nil: absent, or no text
	topics []byte // JSON
	counts bool   // there is a member clients
}

// The types of the protocol.
const (
	subscribe   = "subscribe"
	unsubscribe = "unsubscribe"
	publish     = "publish"
	ping        = "ping"
)

// read reports false if text is no message of the protocol. Of members that stand twice, the
// last counts, as for JavaScript.
func (in *incoming) read(text []byte) bool { return in.readBy(wire.EachMember, text) }

// readBy is read with a function that finds the members of an object.
func (in *incoming) readBy(each func(text []byte, f func(name, value []byte)) bool, text []byte) bool {
	*in = incoming{}
	ok := each(text, func(name, value []byte) {
		switch string(name) {
		case "type":
			typ, _ := wire.String(value)
			in.typ = known(typ)
		case "topic":
			in.topic, _ = wire.String(value)
		case "topics":
			in.topics = value
		case "clients":
			in.counts = true
		}
	})
	return ok && in.typ != ""
}

// known returns a type of the protocol without a copy; "" is any other.
func known(typ []byte) string {
	switch string(typ) {
	case publish:
		return publish
	case subscribe:
		return subscribe
	case unsubscribe:
		return unsubscribe
	case ping:
		return ping
	}
	return ""
}

// each calls f with the topics that are texts and not empty, until f returns an error.
func (in *incoming) each(f func(topic string) error) (err error) {
	wire.EachElement(in.topics, func(element []byte) {
		if topic, ok := wire.String(element); ok && len(topic) > 0 && err == nil {
			err = f(string(topic))
		}
	})
	return err
}

// appendData appends what other members get of a publish: the text, without clients.
func (in *incoming) appendData(b, text []byte) []byte {
	if !in.counts {
		return append(b, text...)
	}
	first := byte('{')
	wire.EachMemberSeen(text, func(name, value []byte) {
		if string(name) == "clients" {
			return
		}
		b = append(b, first)
		b = append(wire.AppendQuoted(b, name), ':')
		b = append(b, value...)
		first = ','
	})
	return append(b, '}')
}
