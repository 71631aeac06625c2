package hub

import (
	"context"
	"encoding/json"
	"net/netip"
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// Writer is a connection as the hub sees it. The hub's goroutine and the writers of
// other connections call its methods: they must neither block nor panic.
type Writer interface {
	// Wake is called when frames wait and no goroutine writes them. One goroutine then
	// calls [Client.Gather] and [Client.Wrote] until nothing waits.
	Wake()
	// Closing is called when a close frame was queued: the connection must end in
	// bounded time, even if the frame can't be written.
	Closing()
	// Probe asks for a WebSocket ping ([Client.Ping]). Its answer says that the
	// client has received all that was written before it.
	Probe()
	// Challenge asks for a WebSocket ping at once. If the client shows no sign of life
	// within the time, the connection ends as after any unanswered ping.
	Challenge(within time.Duration)
	// Abort ends the connection at once, without a close frame.
	Abort()
}

// PatientWriter is a Writer that can let what goes to many wait for what goes to one: in a
// large room, one message may be for thousands of connections.
type PatientWriter interface {
	Writer
	// WakeLater is Wake for frames that may be written after those of other connections.
	WakeLater()
	// Hurry is called after WakeLater when more waits, which should not be written later.
	// If Gather was called in between, it has nothing to do.
	Hurry()
}

// Connection describes a connection to [Hub.Connect].
type Connection struct {
	Number     uint64     // names the connection in the log
	Remote     netip.Addr // the client's address
	QueueBytes int        // the most memory of frames that may wait for the client
	Writer     Writer     // may be a [PatientWriter]
	Budget     *Budget    // shared by all clients of the connection; nil: this client is the only one
}

// Budget bounds what several clients of one connection do together: what waits for them, the
// copies that they cause, and the lines of the log.
type Budget struct{ actor *actor.Budget }

// NewBudget makes a budget of as many bytes as QueueBytes of one client.
func NewBudget(queueBytes int) *Budget { return &Budget{actor.NewBudget(queueBytes)} }

// Client is a connection's side of the hub, for packages that speak a protocol. It has a
// method for each thing that a message can ask for. The hub answers by queueing frames,
// in the order of the calls. Methods must be called one at a time, as a read loop does,
// except those that say otherwise. Errors are nil or [ErrClosed].
type Client struct {
	core   actor.Core
	client *actor.Client
	out    *actor.Outbox
}

// Request is the part of a client's message that an answer repeats: the type, the
// receiver and the tag, as far as they could be read. Texts are cut to 64 bytes.
type Request struct{ Type, To, Ref string }

// echoed is how much of a client's own text an error repeats, in bytes.
const echoed = 64

func (r Request) refused() frame.Refused {
	return frame.Refused{Re: wire.Cut(r.Type, echoed), To: wire.Cut(r.To, echoed), Ref: wire.Cut(r.Ref, echoed)}
}

// Connect makes the client of a connection. [Client.Start] registers it with the hub.
func (h *Hub) Connect(c Connection) Client {
	out := new(actor.Outbox)
	out.Init(c.Writer, h.stats, c.QueueBytes)
	client := actor.NewClient(c.Number, c.Remote, out)
	if c.Budget != nil {
		out.SetBudget(c.Budget.actor)
		client.ShareBudget(c.Budget.actor)
	}
	return Client{h.core, client, out}
}

// Start registers the client with the hub, which may use its Writer from then on. When
// the connection has ended, [Client.End] must be called, also after an error of Start.
func (c *Client) Start() error { return c.core.Do(actor.Register{Client: c.client}) }

// End tells the hub that the connection has ended, with one of the reasons of package
// event. A resumable membership stays, unless the client ended it by itself.
func (c *Client) End(reason string) {
	err := c.core.Do(actor.Unregister{Client: c.client, Reason: reason})
	if err != nil {
		c.out.Discard()
	}
}

// Join is what [Client.Join] asks for.
type Join struct {
	Room, ID string          // valid, see [wire.NormalRoom] and [wire.NormalID]
	Name     string          // nickname; empty: none
	Meta     json.RawMessage // profile; nil: none
	Grant    *Grant          // nil: the default rights
	Capacity int             // members that the room may have; 0: [Options.MaxRoomMembers]
	Session  string          // makes the membership resumable, see [Hub.NewSession]; empty: it is not
	Takeover bool            // take the place of the member with this id, if both have tokens for the id
	Changes  bool            // after the first list, be told of changes in place of whole lists
	Quiet    bool            // be told nothing of who is in the room
	Key      string          // a secret: a join with the same id and key takes the member's place; empty: none does
	Came     time.Time       // when the client asked: whoever asked last has the place; zero: now
	Welcome  []byte          // the message that the client gets first
}

// NewSession makes a session, for [Join.Session] and the client: a secret.
func (h *Hub) NewSession(room string) string { return h.core.NewSession(room) }

// Join makes the client a member of a room and reports whether it is one. If not, the
// hub has sent it an error. If the request has no type, a full room is neither counted
// nor logged.
func (c *Client) Join(j Join, r Request) (in bool, err error) {
	if j.Came.IsZero() {
		j.Came = time.Now()
	}
	done := make(chan bool, 1)
	err = c.core.Do(&actor.Join{
		Client: c.client, Room: normal(j.Room), ID: normal(j.ID), Name: j.Name, Meta: j.Meta, Grant: j.Grant.actor(),
		Capacity: j.Capacity, Session: j.Session, Takeover: j.Takeover, Changes: j.Changes, Quiet: j.Quiet, Key: j.Key,
		Asked: actor.Asked{At: j.Came}, Welcome: frame.Text(j.Welcome), Refused: r.refused(), Done: done,
	})
	if err != nil {
		return false, err
	}
	return actor.Await(context.Background(), c.core, done)
}

// Resumed is the membership that a client has resumed.
type Resumed struct {
	Room, ID, Name string // ID is empty if nothing was resumed, Name if there is no nickname
	Grant          *Grant // in force; nil: the default rights
}

// Resume continues the membership of a session. received is the number of messages that
// the client has received, see the protocol; messageBytes is announced to the client. If
// there is nothing to resume, the hub has sent the client an error.
func (c *Client) Resume(session string, received uint64, messageBytes int, r Request) (Resumed, error) {
	done := make(chan actor.Resumed, 1)
	err := c.core.Do(&actor.Resume{
		Client: c.client, Session: session, Received: received, MessageBytes: messageBytes,
		Asked: actor.Asked{At: time.Now()}, Refused: r.refused(), Done: done,
	})
	if err != nil {
		return Resumed{}, err
	}
	m, err := actor.Await(context.Background(), c.core, done)
	return Resumed{Room: m.Room, ID: m.ID, Name: m.Name, Grant: (*Grant)(m.Grant)}, err
}

// Leave ends the client's membership, if it has one.
func (c *Client) Leave() error { return c.core.Do(actor.Leave{Client: c.client}) }

// Forward sends a message to the member e.To, or to all other members if e has no
// receiver. s has the sender's room and id, which the server writes into the message.
// read is when the message came, for [stats.Hub.Transit]. e may be reused afterwards.
func (c *Client) Forward(e *wire.Envelope, s *wire.Suffixes, read time.Time) error {
	f := frame.Forward(e, s)
	f.Born = read
	return c.core.Do(actor.NewForward(c.client, e, f))
}

// Publish sends a message to all members of the client's room, including the client. It adds
// "count", the number of members, to what Forward sends. If a cluster loses the node that
// owns the room, the client may get its own copy twice.
func (c *Client) Publish(e *wire.Envelope, s *wire.Suffixes, read time.Time) error {
	return c.forward(e, s, read, actor.ForwardParts{Audience: actor.ToAll})
}

// Scatter sends a message to one other member, chosen at random. seed is a random number;
// nth counts from 0. Messages with the same seed and different nth go to different members,
// unless members join or leave meanwhile. If there are nth others or fewer, nobody gets it.
func (c *Client) Scatter(e *wire.Envelope, s *wire.Suffixes, read time.Time, seed, nth uint64) error {
	return c.forward(e, s, read, actor.ForwardParts{Audience: actor.ToAny, Pick: actor.Pick{Seed: seed, Nth: nth}})
}

func (c *Client) forward(e *wire.Envelope, s *wire.Suffixes, read time.Time, p actor.ForwardParts) error {
	p.Client, p.Frame, p.Type, p.Ref = c.client, frame.Forward(e, s), e.Type, e.Ref
	p.Frame.Born = read
	return c.core.Do(p.Forward())
}

// Count sends the client text, a JSON object with at least one field, and adds two fields:
// "count", the number of members of its room, and "alike", the number that has the profile
// meta; nil: that has no profile.
func (c *Client) Count(text []byte, meta json.RawMessage, r Request) error {
	return c.core.Do(&actor.Count{Client: c.client, Frame: frame.Text(text), Meta: meta, Refused: r.refused()})
}

// Rename changes the member's nickname; an empty one removes it.
func (c *Client) Rename(name string, r Request) error {
	return c.core.Do(&actor.Rename{Client: c.client, Name: name, Refused: r.refused()})
}

// Update changes the member's profile, JSON of at most [wire.MaxMeta] bytes; nil
// removes it. meta must not change any more.
func (c *Client) Update(meta json.RawMessage, r Request) error {
	return c.core.Do(&actor.Update{Client: c.client, Meta: meta, Refused: r.refused()})
}

// Renew gives the membership another grant. name and meta, unless they are empty,
// replace the member's nickname and profile; JSON's null removes the profile. answer is
// the message for the client.
func (c *Client) Renew(g *Grant, name string, meta json.RawMessage, answer []byte, r Request) error {
	return c.core.Do(&actor.Renew{
		Client: c.client, Grant: g.actor(), Name: name, Meta: meta, Frame: frame.Text(answer), Refused: r.refused(),
	})
}

// Report tells how the client's call with the member to goes. Only a refusal is
// answered.
func (c *Client) Report(to string, report wire.Report, r Request) error {
	return c.core.Do(&actor.Report{Client: c.client, To: to, Report: &report, Refused: r.refused()})
}

// Kick removes a member from the client's room, if the client has the right to moderate.
func (c *Client) Kick(to string, r Request) error {
	return c.core.Do(&actor.Kick{Order: c.order(r), To: to})
}

// Lock locks or unlocks the client's room, if the client has the right to moderate.
func (c *Client) Lock(locked bool, r Request) error {
	return c.core.Do(&actor.Lock{Order: c.order(r), Locked: locked})
}

func (c *Client) order(r Request) actor.Order {
	return actor.Order{Client: c.client, Refused: r.refused()}
}

// Reply sends the client an answer.
func (c *Client) Reply(text []byte) error {
	return c.core.Do(&actor.Reply{Client: c.client, Frame: frame.Text(text)})
}

var errNoRefusal = &wire.Refusal{
	Code: wire.CodeUnavailable, Text: "the server could not decide on this: try again", Reason: "a refusal without a code of the protocol",
}

// Refuse answers a message with an error. room and id are what a join asked for, for
// the log.
func (c *Client) Refuse(refusal *wire.Refusal, r Request, room, id string) error {
	if refusal == nil || refusal.Code == wire.NoCode || int(refusal.Code) >= wire.NumCodes {
		refusal = errNoRefusal
	}
	return c.core.Do(&actor.Refuse{Client: c.client, Refusal: refusal, Refused: r.refused(), Room: room, ID: id})
}

// Close ends the membership, and the connection with a close frame behind what waits.
// text, at most 123 bytes, is for the client; reason is for the log. It may be called
// from any goroutine.
func (c *Client) Close(code wire.CloseCode, text, reason string) error {
	return c.core.Do(&actor.Disconnect{Client: c.client, Code: code, Text: text, Reason: reason})
}

// CloseOutside is Close with 4007, unless the client is in a room when the hub carries
// it out. It may be called from any goroutine.
func (c *Client) CloseOutside(text string) error {
	return c.core.Do(&actor.Disconnect{
		Client: c.client, Code: wire.CloseNoJoin, Text: text, Reason: event.ReasonNoJoin, Only: actor.IfOutside,
	})
}

// CloseExpired is Close with 4008, if the member's grant has expired when the hub carries
// it out. It may be called from any goroutine.
func (c *Client) CloseExpired(text string) error {
	return c.core.Do(&actor.Disconnect{
		Client: c.client, Code: wire.CloseTokenExpired, Text: text, Reason: event.ReasonTokenExpired, Only: actor.IfExpired,
	})
}

// GoAway tells the hub that the client sent a close frame with 1001. It reports whether
// the membership stays, as after a lost connection; then nothing more is written.
// Otherwise the hub answers the close frame.
func (c *Client) GoAway() (stays bool, err error) {
	done := make(chan bool, 1)
	if err := c.core.Do(&actor.GoAway{Client: c.client, Done: done}); err != nil {
		return false, err
	}
	return actor.Await(context.Background(), c.core, done)
}

// Ping queues a WebSocket ping ahead of what waits and reports whether it could be
// queued. It may be called from any goroutine, and so may Pong.
func (c *Client) Ping(payload []byte) bool { return c.urgent(frame.Ping(payload)) }

// Pong queues the answer to a WebSocket ping, as Ping does.
func (c *Client) Pong(payload []byte) bool { return c.urgent(frame.Pong(payload)) }

func (c *Client) urgent(f *frame.Frame) bool {
	ok := c.out.Urgent(f, c.client.Sender())
	if ok {
		c.out.Flush()
	}
	return ok
}

// Acknowledged tells the hub that the client has answered the last ping: it has all that
// was written before.
func (c *Client) Acknowledged() {
	c.out.Acknowledged()
	c.core.Acknowledged(c.client)
}

// CloseCode returns the code of the close frame that was queued; 0: none was. It may
// be called from any goroutine, and so may the methods that follow.
func (c *Client) CloseCode() wire.CloseCode { return c.out.CloseCode() }

// Unwritten returns how many bytes are still to be written.
func (c *Client) Unwritten() int { return c.out.Unwritten() }

// Finished reports whether a close frame has been written, or the connection has
// ended.
func (c *Client) Finished() bool { return c.out.Finished() }

// Failed tells the hub that the connection can't be written any more.
func (c *Client) Failed() { c.out.Failed() }

// Gathering is a writer's workspace for [Client.Gather]. The zero value is ready.
type Gathering struct {
	buf    []byte
	frames []*frame.Frame
}

// gatherBytes is what one write takes at most: frames that wait together leave
// together.
const gatherBytes = 64 << 10

// Gather returns the bytes to write next, or nil if nothing waits: then [Writer.Wake] is
// called when there is more. The bytes are valid until the next call with g. Only one
// goroutine at a time may gather.
func (c *Client) Gather(g *Gathering) []byte {
	var skip int
	g.frames, skip = c.out.Take(g.frames[:0], gatherBytes)
	switch len(g.frames) {
	case 0:
		return nil
	case 1:
		return g.frames[0].Bytes()[skip:]
	}
	if g.buf == nil {
		g.buf = make([]byte, 0, gatherBytes)
	}
	g.buf = append(g.buf[:0], g.frames[0].Bytes()[skip:]...)
	for _, f := range g.frames[1:] {
		g.buf = append(g.buf, f.Bytes()...)
	}
	return g.buf
}

// Wrote tells the hub that the first n bytes of what Gather returned were written, at
// time now. It reports whether more waits; if not, [Writer.Wake] is called when there is
// more.
func (c *Client) Wrote(n int, now time.Time) (more bool) {
	more, caughtUp := c.out.Wrote(n, now)
	if caughtUp {
		// A writer must not wait for the loop, so another goroutine hands the command over.
		go func() { _ = c.core.Do(actor.CaughtUp{Client: c.client}) }()
	}
	return more
}
