package ywebrtc

import (
	"bytes"
	"errors"
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
	topics map[string]*wsconn.Membership // see key
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
	if c.membership([]byte(topic)) != nil || c.tries > most {
		return nil
	}
	if c.tries++; len(c.topics) >= most {
		c.tries = most + 1 // the log has it once for each message
	}
	m, err := c.conn.Join(wsconn.Entry{
		Room: c.dialect.room(topic), Token: c.token, Quiet: true,
		MaxRooms: c.dialect.options.MaxTopics, Capacity: c.dialect.options.MaxClients,
	})
	if refusal := (*wire.Refusal)(nil); errors.As(err, &refusal) {
		return nil // the log has it
	}
	if err == nil {
		c.topics[c.key(topic)] = m
	}
	return err
}

func (c *client) unsubscribe(topic string) error {
	if m := c.membership([]byte(topic)); m != nil {
		delete(c.topics, c.key(topic))
		m.Leave()
	}
	return nil
}

// shortTopic is how long a topic may be that is a key itself, in bytes. It is less than what a
// room's name has behind its prefix if it is made of a hash.
const shortTopic = 64

// key returns what a topic's membership is found by: the topic, or its room if it is long.
func (c *client) key(topic string) string {
	if len(topic) <= shortTopic {
		return topic
	}
	return c.dialect.room(topic)
}

// membership returns the membership in a topic's room; nil: there is none.
func (c *client) membership(topic []byte) *wsconn.Membership {
	if len(topic) <= shortTopic {
		return c.topics[string(topic)]
	}
	return c.topics[c.key(string(topic))]
}

func (c *client) publish(in *incoming, text []byte) error {
	m := c.membership(in.topic)
	if m == nil {
		return nil
	}
	o := wsconn.NewOutgoing(wire.TypeMessage, len(text))
	o.Body, o.Audience, o.Patience = in.appendData(o.Body, text), wsconn.ToAll, patience
	return m.Pass(o)
}

// patience is how long the client is not read while what it has published goes to too many.
// After that the message is lost, as the log has it: documents meet again at the next one.
const patience = 10 * time.Second

// Deliver implements [wsconn.Speaker].
func (c *client) Deliver(_ *wsconn.Membership, d *wire.Delivered, out *wsconn.Messages) {
	if d.Type != wire.TypeMessage {
		return
	}
	body := d.Body
	// What clients publish was read when they sent it. Others may send anything: the operator, and
	// members of version 1 that joined on a node that does not speak the dialect, or not yet.
	if !wsconn.PassedOn(d) || !bytes.HasPrefix(body, []byte(`{"`)) {
		var in incoming
		if !in.readBy(wire.EachMemberSeen, body) || in.typ != publish {
			return
		}
		if in.counts {
			body = in.appendData(nil, body)
		}
	}
	count := append(make([]byte, 0, 32), `,"clients":`...)
	out.Text(body[:len(body)-1], strconv.AppendInt(count, int64(d.Count), 10), []byte("}"))
}

// Ended implements [wsconn.Speaker]. A client that no longer gets what is published can't be
// told: it comes again when its connection is closed.
func (c *client) Ended(*wsconn.Membership, wire.CloseCode, string) bool { return true }

// Closed implements [wsconn.Speaker].
func (c *client) Closed() {}
