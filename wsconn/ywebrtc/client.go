package ywebrtc

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn"
)

// client is one connection.
type client struct {
	dialect *Dialect
	conn    *wsconn.Conn
	token   string // for the gate; may be empty

	// Owned by the read loop.
	topics map[string]*wsconn.Membership // by their rooms: topics may be long
	tries  int                           // topics of the present message that were tried
}

// Begin implements [wsconn.Speaker].
func (c *client) Begin() error { return nil }

var pong = []byte(`{"type":"pong"}`)

// Message implements [wsconn.Speaker]. It ignores messages without a meaning: the protocol has no
// errors.
func (c *client) Message(text []byte) error {
	var in incoming
	if !in.read(text) {
		return nil
	}
	switch in.typ {
	case subscribe:
		c.tries = 0
		return in.each(c.subscribe)
	case unsubscribe:
		return in.each(c.unsubscribe)
	case publish:
		return c.publish(&in, text)
	default:
		return c.conn.Send(pong)
	}
}

func (c *client) subscribe(topic string) error {
	most := c.dialect.options.MaxTopics
	room := c.dialect.room(topic)
	if c.topics[room] != nil || c.tries > most {
		return nil
	}
	if c.tries++; len(c.topics) >= most {
		c.tries = most + 1 // the log has it once for each message
	}
	m, err := c.conn.Join(wsconn.Entry{
		Room: room, Token: c.token, Quiet: true,
		MaxRooms: c.dialect.options.MaxTopics, Capacity: c.dialect.options.MaxClients,
	})
	if refusal := (*wire.Refusal)(nil); errors.As(err, &refusal) {
		return nil // the log has it
	}
	if err == nil {
		c.topics[room] = m
	}
	return err
}

func (c *client) unsubscribe(topic string) error {
	room := c.dialect.room(topic)
	if m := c.topics[room]; m != nil {
		delete(c.topics, room)
		m.Leave()
	}
	return nil
}

func (c *client) publish(in *incoming, text []byte) error {
	m := c.topics[c.dialect.room(string(in.topic))]
	if m == nil {
		return nil
	}
	envelope := in.envelope(make([]byte, 0, len(text)+64), text)
	return m.Pass(&wsconn.Outgoing{Text: envelope, To: wsconn.ToAll, Patience: patience})
}

// patience is how long the client is not read while what it has published goes to too many.
// After that the message is lost, as the log has it: documents meet again at the next one.
const patience = 10 * time.Second

// Deliver implements [wsconn.Speaker].
func (c *client) Deliver(_ *wsconn.Membership, d *wire.Delivered, out *wsconn.Messages) {
	var in incoming
	if d.Type != wire.TypeMessage || !in.readBy(wire.EachMemberSeen, d.Body) || in.typ != publish {
		return // of a member that speaks another protocol
	}
	body := d.Body
	if in.counts { // likewise
		body = in.envelope(nil, d.Body)[len(`{"type":"message","data":`):]
	}
	end := slices.Clip(body[:len(body)-1])
	out.Text(end, strconv.AppendInt([]byte(`,"clients":`), int64(d.Count), 10), []byte("}"))
}

// Ended implements [wsconn.Speaker]. A client that no longer gets what is published can't be
// told: it comes again when its connection is closed.
func (c *client) Ended(*wsconn.Membership, wire.CloseCode, string) bool { return true }

// Closed implements [wsconn.Speaker].
func (c *client) Closed() {}
