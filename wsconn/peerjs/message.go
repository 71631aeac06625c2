package peerjs

import (
	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn"
)

// incoming is what a client has sent. Its slices point into the text, or to copies of what
// has escapes.
type incoming struct {
	typ     string
	dst     []byte
	payload []byte // JSON; nil: absent
}

// read reports false if text is no message: no object, or one whose type or dst is no
// string.
func (in *incoming) read(text []byte) bool { return in.readBy(wire.EachMember, text) }

// readBy is read with a function that finds the members of an object.
func (in *incoming) readBy(each func(text []byte, f func(name, value []byte)) bool, text []byte) bool {
	*in = incoming{}
	good := true
	ok := each(text, func(name, value []byte) {
		switch string(name) {
		case "type":
			typ, ok := wire.String(value)
			in.typ, good = known(typ), good && ok
		case "dst":
			var ok bool
			in.dst, ok = wire.String(value)
			good = good && (ok || string(value) == "null")
		case "payload":
			in.payload = value
		}
	})
	return ok && good
}

// known returns a type of the protocol without a copy; "" is any other.
func known(typ []byte) string {
	switch string(typ) {
	case "OFFER":
		return "OFFER"
	case "ANSWER":
		return "ANSWER"
	case "CANDIDATE":
		return "CANDIDATE"
	case "LEAVE":
		return "LEAVE"
	case "EXPIRE":
		return "EXPIRE"
	case "HEARTBEAT":
		return "HEARTBEAT"
	}
	return ""
}

// transmitted reports whether messages of a type go to other peers.
func transmitted(typ string) bool { return typ != "" && typ != "HEARTBEAT" }

// waits reports whether messages of a type wait for an absent peer.
func waits(typ string) bool { return typ != "LEAVE" && typ != "EXPIRE" }

// wrapped is more than a message takes beside its receiver and its payload, in bytes.
const wrapped = 64

// write makes m the message of version 1 that carries this one.
func (in *incoming) write(m *message) {
	m.Type = wire.TypeMessage
	if in.payload != nil {
		switch in.typ {
		case "OFFER":
			m.Type = wire.TypeOffer
		case "ANSWER":
			m.Type = wire.TypeAnswer
		case "CANDIDATE":
			m.Type = wire.TypeCandidate
		}
	}
	b := append(m.buf[:0], in.dst...)
	if m.Type != wire.TypeMessage {
		b = append(b, in.payload...)
	} else {
		b = append(append(append(b, `{"type":"`...), in.typ...), '"')
		if in.payload != nil {
			b = append(append(b, `,"payload":`...), in.payload...)
		}
		b = append(b, '}')
	}
	m.hold(b, len(in.dst))
	m.waits = waits(in.typ)
}

// deliver writes what a message of version 1 to the peer id carries.
func deliver(id string, d *wire.Delivered, out *wsconn.Messages) {
	var in incoming
	switch d.Type {
	case wire.TypeOffer:
		in.typ, in.payload = "OFFER", d.Body
	case wire.TypeAnswer:
		in.typ, in.payload = "ANSWER", d.Body
	case wire.TypeCandidate:
		in.typ, in.payload = "CANDIDATE", d.Body
	default:
		if !in.readBy(wire.EachMemberSeen, d.Body) || !transmitted(in.typ) {
			return // of a member that speaks another protocol
		}
	}
	head := append(make([]byte, 0, 192), `{"type":"`...)
	head = append(append(head, in.typ...), `","src":`...)
	head = wire.AppendQuoted(head, d.From)
	head = append(head, `,"dst":`...)
	head = wire.AppendQuoted(head, id)
	if in.payload == nil {
		out.Text(head, []byte("}"))
		return
	}
	out.Text(append(head, `,"payload":`...), in.payload, []byte("}"))
}
