package wsconn

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// Dialect is another protocol than version 1, for clients of other servers. It turns text
// messages into what members of rooms do, and what the hub tells members into text
// messages. See [Handler.Speaking].
type Dialect interface {
	// Name is what the log and the metrics call the protocol.
	Name() string
	// Rooms returns the prefix of the names of the dialect's rooms, which only its clients may
	// join. Empty: the dialect shares rooms with version 1.
	Rooms() string
	// Speaker makes the speaker of a connection that a request was upgraded to. It runs on
	// the request's goroutine, and must not keep r. If it panics, the connection ends.
	Speaker(c *Conn, r *http.Request) Speaker
}

// Speaker speaks a dialect for one connection. Begin, Message and Closed run on the
// connection's read loop, Deliver and Ended on a goroutine that writes: one at a time, but
// at the same time as the others. Those two must not block, nor call methods of [Conn] or
// [Membership] that do.
type Speaker interface {
	// Begin comes before all else. An error ends the connection, see [CloseError].
	Begin() error
	// Message handles a message of the client, which is valid UTF-8. text is valid until
	// it returns. An error ends the connection, see [CloseError].
	Message(text []byte) error
	// Deliver writes to the client what the hub's message to a membership means. d is valid
	// until it returns.
	Deliver(m *Membership, d *wire.Delivered, out *Messages)
	// Ended says that the hub has ended a membership, with the close code and the reason
	// that a client of version 1 would be told. It returns whether the connection is to be
	// closed with them.
	Ended(m *Membership, code wire.CloseCode, reason string) (closes bool)
	// Closed is the last call: the connection is over.
	Closed()
}

// CloseError returns an error that ends a connection with a close frame. reason, at most
// 123 bytes, is for the client.
func CloseError(code wire.CloseCode, reason string) error { return &violation{code, reason} }

// DialectStats are counters that may be read at any time.
type DialectStats struct {
	Connections atomic.Int64  // open now
	MessagesIn  atomic.Uint64 // from clients
	MessagesOut atomic.Uint64 // to clients
}

// DialectHandler upgrades requests to connections that speak a dialect. They are
// connections of the [Handler] that has made it: its limits, options and statistics are
// theirs.
type DialectHandler struct {
	// Stats counts what connections of the dialect do.
	Stats DialectStats

	h       *Handler
	dialect Dialect
}

// Speaking returns a handler of connections that speak a dialect. From now on, clients of
// version 1 may not join the dialect's rooms.
func (h *Handler) Speaking(d Dialect) *DialectHandler {
	if rooms := d.Rooms(); rooms != "" {
		h.reserve(rooms)
	}
	return &DialectHandler{h: h, dialect: d}
}

// reserve keeps rooms whose names have this prefix for clients of a dialect.
func (h *Handler) reserve(rooms string) {
	for {
		old := h.reserved.Load()
		all := []string{rooms}
		if old != nil {
			all = append(all, *old...)
		}
		if h.reserved.CompareAndSwap(old, &all) {
			return
		}
	}
}

// isReserved reports whether a room is for clients of a dialect.
func (h *Handler) isReserved(room []byte) bool {
	all := h.reserved.Load()
	return all != nil && slices.ContainsFunc(*all, func(rooms string) bool { return bytes.HasPrefix(room, []byte(rooms)) })
}

// Name returns the dialect's name.
func (d *DialectHandler) Name() string { return d.dialect.Name() }

// AllowsOrigin reports whether the page that a request comes from may connect, see
// [Options.AllowOrigins].
func (d *DialectHandler) AllowsOrigin(r *http.Request) bool {
	return originAllowed(r, d.h.options.Load().AllowOrigins)
}

// ServeHTTP upgrades the request and returns. The connection continues on goroutines of
// its own.
func (d *DialectHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.h.serve(w, r, d) }

// talk makes the dialect's side of a connection.
func (d *DialectHandler) talk(c *conn, r *http.Request) *Conn {
	talk := &Conn{c: c, of: d, budget: hub.NewBudget(c.options.QueueBytes)}
	talk.passing.most = min(passingBytes, c.options.QueueBytes/2)
	talk.speaker = d.dialect.Speaker(talk, r)
	d.Stats.Connections.Add(1)
	return talk
}

// Messages are what a speaker has for its client. The zero value is ready.
type Messages struct {
	b     []byte
	stats *DialectStats // nil: messages are not counted
}

// Len returns the number of bytes of all messages, with their headers.
func (m *Messages) Len() int { return len(m.b) }

// Text adds a message that consists of all parts.
func (m *Messages) Text(parts ...[]byte) {
	n := 0
	for _, part := range parts {
		n += len(part)
	}
	m.b = append(m.b, wire.FinBit|wire.OpText)
	switch {
	case n < 126:
		m.b = append(m.b, byte(n))
	case n < 1<<16:
		m.b = binary.BigEndian.AppendUint16(append(m.b, 126), uint16(n))
	default:
		m.b = binary.BigEndian.AppendUint64(append(m.b, 127), uint64(n))
	}
	for _, part := range parts {
		m.b = append(m.b, part...)
	}
	if m.stats != nil {
		m.stats.MessagesOut.Add(1)
	}
}
