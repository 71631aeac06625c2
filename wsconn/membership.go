package wsconn

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

// MaxMemberships is how many rooms one connection of a dialect may be in.
const MaxMemberships = 1000

// Entry is what [Conn.Join] asks for.
type Entry struct {
	Room            string
	ID              string          // empty: the server makes one; an id from the gate becomes its prefix
	Name            string          // nickname; empty: none
	Meta            json.RawMessage // profile, at most [wire.MaxMeta] bytes; nil: none
	Token, Passcode string          // for the gate; may be empty
	MaxRooms        int             // that the connection may be in; 0: 1,000
	Capacity        int             // members that the room may have; 0: as many as any room. The gate may make it less
	Quiet           bool            // see [hub.Join]
	Changes         bool
	Key             string
	Takeover        bool
	Data            any     // see [Membership.Data]
	Outcome         Outcome // hears what becomes of each message passed on; nil: nothing does

	// Ask decides once the gate has let the client in, under this id; nil: nobody is asked.
	// Its error is that of Join. It may take until ctx is done.
	Ask func(ctx context.Context, id string) error
	// Retry may change the entry when the hub has refused it, and says whether to try
	// again. The gate is not asked again, and that the room was full at first is neither
	// counted nor logged. Nil: no.
	Retry func(e *Entry, r *wire.Refusal) bool
}

// Membership is what one connection of a dialect is in one room. Its methods may be called
// from any goroutine but those that write.
type Membership struct {
	// Set by Join, then read only.
	Room, ID string
	Rights   wire.Rights
	Data     any // the speaker's own
	conn     *Conn
	expires  time.Time // zero: never
	client   hub.Client
	outcome  Outcome

	mu       sync.Mutex // held while a command is handed over; guards what follows
	ended    bool       // the hub gets no further command
	suffixes wire.Suffixes

	passed passed // guarded by conn.passing.mu

	// Guarded by conn.mu.
	joining bool // its frames are not for the writer yet
	woken   bool // while joining
	over    bool
}

var (
	errManyRooms = &wire.Refusal{Code: wire.CodeRateLimited, Text: "this connection is in too many rooms"}
	errGateID    = &wire.Refusal{Code: wire.CodeForbidden, Text: "you may not join under this id"}
	errRoomName  = &wire.Refusal{Code: wire.CodeInvalidRoom, Text: "this cannot be the name of a room"}
	errIDName    = &wire.Refusal{Code: wire.CodeInvalidID, Text: "this cannot be an id"}
	errNotIn     = &wire.Refusal{Code: wire.CodeUnavailable, Text: "the server could not let you in: try again"}
	errRestraint = &wire.Refusal{Code: wire.CodeUnavailable, Text: "the gate could not decide: try again"}
)

// Join makes the connection a member of a room, as far as the gate and the hub allow. A
// [*wire.Refusal] is why not; any other error ends the connection. The first message to
// the membership is joined. Only Begin and Message may call it.
func (c *Conn) Join(e Entry) (*Membership, error) {
	if err := c.c.pace(c.c.rates.change(c.c.reader.readAt)); err != nil {
		return nil, err
	}
	var m *Membership
	err := c.Aside(func() (err error) {
		m, err = c.join(e)
		return err
	})
	return m, err
}

// Allowed asks the gate whether the client could join a room, without joining it. It counts as
// a join against the limits. A [*wire.Refusal] is why not; any other error ends the connection.
// Only Begin and Message may call it.
func (c *Conn) Allowed(e Entry) error {
	if err := c.c.pace(c.c.rates.change(c.c.reader.readAt)); err != nil {
		return err
	}
	return c.Aside(func() error {
		err := error(errAddressLimit)
		if c.c.h.addresses.Join(c.c.remote, time.Now()) {
			_, err = c.askGate(&e)
		}
		var r *wire.Refusal
		if errors.As(err, &r) {
			c.noteRefusal(r, &e)
		}
		return err
	})
}

// Aside calls f, which may wait for others. Meanwhile the connection is not read, and its clocks
// stand still. Only Begin and Message may call it.
func (c *Conn) Aside(f func() error) error {
	err := error(errPanic) // a gate may end its goroutine
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.c.keepalive.pause()
		defer c.c.keepalive.resume()
		err = f()
	}()
	<-done
	return err
}

func (c *Conn) join(e Entry) (*Membership, error) {
	a, err := c.admit(&e)
	if err != nil {
		var r *wire.Refusal
		if errors.As(err, &r) {
			c.noteRefusal(r, &e)
		}
		return nil, err
	}
	for tries := 0; ; tries++ {
		request := hub.Request{Type: wire.TypeJoin.String()}
		if e.Retry != nil && tries == 0 {
			request.Type = "" // a full room is expected
		}
		m, err := c.enter(e, a, request)
		var r *wire.Refusal
		if !errors.As(err, &r) || e.Retry == nil || !e.Retry(&e, r) {
			return m, err
		}
	}
}

// admit decides on an entry before the hub does, and completes its id.
func (c *Conn) admit(e *Entry) (*Admission, error) {
	var ok bool
	if e.Room, ok = wire.NormalRoom(e.Room); !ok {
		return nil, errRoomName
	}
	if e.ID != "" {
		if e.ID, ok = wire.NormalID(e.ID); !ok {
			return nil, errIDName
		}
	}
	if c.count() >= cmp.Or(e.MaxRooms, MaxMemberships) {
		return nil, errManyRooms
	}
	if !c.c.h.addresses.Join(c.c.remote, time.Now()) {
		return nil, errAddressLimit
	}
	a, err := c.askGate(e)
	if err != nil {
		return nil, err
	}
	switch {
	case e.ID == "":
		e.ID = chosenID(a.ID)
	case a.ID != "" && a.ID != e.ID:
		return nil, errGateID
	}
	if e.Ask != nil {
		_, err = c.c.decide(func(ctx context.Context) (*Admission, error) { return a, e.Ask(ctx, e.ID) })
	}
	return a, err
}

// askGate has the gate decide.
func (c *Conn) askGate(e *Entry) (*Admission, error) {
	a, err := c.c.decide(func(ctx context.Context) (*Admission, error) {
		return c.c.h.options.Load().Gate.Join(ctx, &JoinRequest{
			Remote: c.c.remote, Room: e.Room, ID: e.ID, Name: e.Name, Meta: bytes.Clone(e.Meta), Token: e.Token, Passcode: e.Passcode,
		})
	})
	if err != nil {
		return nil, c.gateError(err)
	}
	return a, nil
}

// chosenID returns a new id, which begins with the one that the gate has decided on: one user may
// have many connections that know nothing of each other.
func chosenID(gates string) string {
	id := rand.Text()
	if gates == "" {
		return id
	}
	return wire.Cut([]byte(gates), wire.MaxID-len(id)-1) + "/" + id
}

// noteRefusal logs and counts a refusal that the hub does not know of.
func (c *Conn) noteRefusal(r *wire.Refusal, e *Entry) {
	m := &Membership{conn: c, joining: true}
	m.client = c.connect(m)
	if m.client.Start() == nil {
		room, _ := wire.NormalRoom(e.Room) // what is no name is not logged either
		id, _ := wire.NormalID(e.ID)
		_ = m.client.Refuse(r, hub.Request{Type: wire.TypeJoin.String()}, room, id)
	}
	m.giveUp(event.ReasonRefused)
}

// giveUp ends a membership whose frames no writer has heard of.
func (m *Membership) giveUp(reason string) {
	m.client.Failed()
	m.end(reason)
}

// connect makes the hub's side of a membership.
func (c *Conn) connect(m *Membership) hub.Client {
	return c.c.h.hub.Connect(hub.Connection{
		Number: c.c.number, Remote: c.c.remote, QueueBytes: c.c.options.QueueBytes, Writer: m, Budget: c.budget,
	})
}

// gateError returns what a speaker may know of a gate's error.
func (c *Conn) gateError(err error) error {
	var end *violation
	var r *wire.Refusal
	switch {
	case errors.As(err, &end):
		return end
	case errors.As(err, &r) && r != nil:
		return r
	}
	c.c.h.log.Warn(event.GateFailed, zap.Uint64(event.FieldConn, c.c.number), zap.Error(err))
	return errRestraint
}

// enter has the hub make the member that the gate has let in.
func (c *Conn) enter(e Entry, a *Admission, request hub.Request) (*Membership, error) {
	welcome := wire.Joined{Room: e.Room, From: e.ID, Name: cmp.Or(a.Name, e.Name), MessageBytes: c.c.options.MaxMessageBytes}
	var err error
	if welcome.ICEServers, err = c.c.iceServers(e.ID, a.Grant); err != nil {
		return nil, err
	}
	m := &Membership{
		Room: e.Room, ID: e.ID, Rights: wire.DefaultRights, Data: e.Data, outcome: e.Outcome, conn: c, suffixes: wire.NewSuffixes(e.Room, e.ID), joining: true,
	}
	meta := e.Meta
	if g := a.Grant; g != nil {
		m.Rights, m.expires = g.Rights, g.Expires
		if g.Profiled {
			meta = a.Meta
		}
	}
	m.client = c.connect(m)
	in, err := false, m.client.Start()
	if err == nil {
		in, err = m.client.Join(hub.Join{
			Room: m.Room, ID: m.ID, Name: welcome.Name, Meta: meta, Grant: a.Grant, Capacity: least(a.Capacity, e.Capacity),
			Quiet: e.Quiet, Changes: e.Changes, Key: e.Key, Takeover: e.Takeover, Welcome: welcome.Text(),
			Came: c.c.reader.readAt,
		}, request)
	}
	if err != nil || !in {
		r := m.refusal()
		m.giveUp(event.ReasonRefused)
		if err == nil {
			err = r
		}
		return nil, err
	}
	if !c.add(m) {
		m.giveUp(event.ReasonClosed)
		return nil, errEnding
	}
	return m, nil
}

// least returns the smaller of two limits; 0 is no limit.
func least(a, b int) int {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// refusal reads why the hub has not let the member in.
func (m *Membership) refusal() *wire.Refusal {
	var g hub.Gathering
	var d wire.Delivered
	refusal := errNotIn
	b := m.client.Gather(&g)
	eachMessage(b, func(h wire.Header, payload []byte) {
		if h.Opcode == wire.OpText && d.Read(payload) && d.Type == wire.TypeError {
			refusal = &wire.Refusal{Code: wire.ParseCode(d.Code), Text: string(d.Text)}
		}
	})
	return refusal
}

// eachMessage calls f with the frames in what [hub.Client.Gather] has returned.
func eachMessage(b []byte, f func(h wire.Header, payload []byte)) {
	for len(b) > 0 {
		h, _, _ := wire.ParseHeader(b) // the hub's frames are whole
		f(h, b[h.Size:h.Size+h.Length])
		b = b[h.Size+h.Length:]
	}
}

// Mark has a pong with this ref delivered, behind the answers to all that was passed on
// before. Refs of speakers do not begin with #.
func (m *Membership) Mark(ref string) error {
	return m.do(func() error { return m.client.Reply(wire.PongText(ref)) })
}

// Count has a pong with this ref delivered, as Mark, with how many members the room has, and
// how many of them have the profile meta; nil: none.
func (m *Membership) Count(ref string, meta json.RawMessage) error {
	return m.do(func() error {
		return m.client.Count(wire.PongText(ref), meta, hub.Request{Type: wire.TypePing.String(), Ref: ref})
	})
}

// Update changes the member's profile; nil removes it. meta must not change any more.
func (m *Membership) Update(meta json.RawMessage) error {
	return m.do(func() error { return m.client.Update(meta, hub.Request{Type: wire.TypeUpdate.String()}) })
}

// Rename changes the member's nickname; an empty one removes it.
func (m *Membership) Rename(name string) error {
	return m.do(func() error { return m.client.Rename(name, hub.Request{Type: wire.TypeRename.String()}) })
}

// Leave ends the membership. Messages that wait for it are not delivered any more. Ended is not
// called for it.
func (m *Membership) Leave() {
	if m.conn.remove(m) {
		m.end(event.ReasonLeft)
	}
}

// do hands a command to the hub, unless the membership has ended.
func (m *Membership) do(command func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return nil
	}
	return command()
}

// end tells the hub that the membership has ended. Nothing comes behind that.
func (m *Membership) end(reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.ended {
		m.ended = true
		m.forget()
		m.client.End(reason)
	}
}
