package ayame

import (
	"bytes"
	"encoding/json"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn"
)

// errBad ends a connection for what it has sent, as Ayame does: without a word.
var errBad = wsconn.CloseError(wire.CloseNormal, "")

// client is one connection.
type client struct {
	options *Options
	conn    *wsconn.Conn

	standalone atomic.Bool // it closes once it is connected to the other
	ponged     atomic.Int64

	// Owned by the read loop.
	m    *wsconn.Membership // nil: it is not registered
	gone Gone

	mu            sync.Mutex // guards what follows
	timer         *time.Timer
	iceServers    json.RawMessage // of the webhook; nil: parleyd's
	authzMetadata json.RawMessage // of the webhook; nil: none
	second        bool            // somebody was in the room when it joined
	accepted      bool
	other         string // id of the other member; empty: there is none
	over          bool
}

// Begin implements [wsconn.Speaker].
func (c *client) Begin() error {
	c.ponged.Store(time.Now().UnixNano())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = time.AfterFunc(c.options.Ping, c.ping)
	return nil
}

// ping sends the client a ping message, and closes the connection if it has not answered
// for long. The timer calls it.
func (c *client) ping() {
	if !c.standalone.Load() {
		if time.Since(time.Unix(0, c.ponged.Load())) > c.options.PongTimeout {
			c.conn.Close(wire.CloseNormal, "")
			return
		}
		_ = c.conn.Send([]byte(`{"type":"ping"}`))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.timer.Reset(c.options.Ping)
	}
}

// Message implements [wsconn.Speaker].
func (c *client) Message(text []byte) error {
	typ, ok := "", true
	whole := wire.EachMember(text, func(name, value []byte) {
		if string(name) == "type" {
			var t []byte
			if t, ok = wire.String(value); ok {
				typ = string(t)
			}
		}
	})
	if !whole || !ok {
		return errBad
	}
	switch typ {
	case "pong":
		c.ponged.Store(time.Now().UnixNano())
		return nil
	case "register":
		return c.register(text)
	case "offer":
		return c.forward(wire.TypeOffer, text)
	case "answer":
		return c.forward(wire.TypeAnswer, text)
	case "candidate":
		return c.forward(wire.TypeCandidate, text)
	case "connected":
		if c.m == nil || c.standalone.Load() {
			return errBad
		}
		return nil
	}
	return errBad
}

// forward passes a message on to the other. With nobody there it is for nobody, as Ayame
// has it.
func (c *client) forward(t wire.Type, text []byte) error {
	if c.m == nil {
		return errBad
	}
	c.mu.Lock()
	other := c.other
	c.mu.Unlock()
	if other == "" {
		return nil
	}
	return c.m.Pass(&wsconn.Outgoing{Type: t, To: []byte(other), Body: bytes.TrimSpace(bytes.Clone(text))})
}

// outcome closes the connection of a client whose message does not reach the other, as a
// [wsconn.Outcome]: clients wait for the answer to each. If the other has just gone, bye
// follows.
func (c *client) outcome(_ *wsconn.Outgoing, code wire.Code, _ *wsconn.Messages) {
	if code != wire.NoCode && code != wire.CodeTargetNotFound {
		go c.conn.Close(wire.CloseNormal, "")
	}
}

// Deliver implements [wsconn.Speaker].
func (c *client) Deliver(m *wsconn.Membership, d *wire.Delivered, out *wsconn.Messages) {
	switch d.Type {
	case wire.TypeJoined:
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.iceServers == nil {
			c.iceServers = bytes.Clone(d.ICEServers)
		}
	case wire.TypeRoomMembers:
		c.listed(m, d, out)
	case wire.TypeOffer, wire.TypeAnswer, wire.TypeCandidate:
		if len(d.Body) > 0 && d.Body[0] == '{' {
			out.Text(d.Body)
		}
	}
}

// listed takes the list of the room's members. The other stays the same as long as it is
// there.
func (c *client) listed(m *wsconn.Membership, d *wire.Delivered, out *wsconn.Messages) {
	c.mu.Lock()
	defer c.mu.Unlock()
	had, other := c.other, ""
	wire.EachElement(d.Members, func(element []byte) {
		if id, ok := wire.String(element); ok && string(id) != m.ID && (other == "" || string(id) == had) {
			other = string(id)
		}
	})
	c.other = other
	switch {
	case !c.accepted:
		c.accepted = true
		out.Text(c.accept(m.ID, other != "" && c.second))
	case had != "" && other != had:
		if !c.standalone.Load() {
			out.Text([]byte(`{"type":"bye"}`))
		}
		go func() {
			m.Leave() // at once: the next client is not to meet one that goes
			c.conn.Close(wire.CloseNormal, "")
		}()
	}
}

// accept returns the answer to a client that is let in. The caller holds mu.
func (c *client) accept(id string, exists bool) []byte {
	b := wire.AppendQuoted([]byte(`{"type":"accept","connectionId":`), id)
	if len(c.authzMetadata) > 0 {
		b = append(append(b, `,"authzMetadata":`...), c.authzMetadata...)
	}
	if len(c.iceServers) > 0 {
		b = append(append(b, `,"iceServers":`...), c.iceServers...)
	}
	b = strconv.AppendBool(append(b, `,"isExistClient":`...), exists)
	b = strconv.AppendBool(append(b, `,"isExistUser":`...), exists)
	return append(b, '}')
}

// Ended implements [wsconn.Speaker].
func (c *client) Ended(*wsconn.Membership, wire.CloseCode, string) bool { return true }

// Closed implements [wsconn.Speaker].
func (c *client) Closed() {
	c.mu.Lock()
	c.over = true
	if c.timer != nil {
		c.timer.Stop()
	}
	c.mu.Unlock()
	if c.m != nil && c.options.Webhook != nil {
		c.options.Webhook.Gone(c.gone)
	}
}
