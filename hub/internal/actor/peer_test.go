package actor

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

func TestMain(m *testing.M) {
	// More than rapid's 100: the flag on the command line, if it is given, comes later.
	_ = flag.Set("rapid.checks", "500")
	goleak.VerifyTestMain(m)
}

// newHub starts a hub for a test.
func newHub(t testing.TB, o Options) *Hub {
	h := New(o)
	t.Cleanup(h.Close)
	return h
}

// message is what a client reads.
type message struct {
	Type, Room, From, To string
	Members              []string
	Joined, Left         []string
	Count, Alike         int
	Locked               bool
	Names                map[string]string
	Code, Re, Ref        string
	Session              string
	Missed               int
	Handled              uint64
	Meta                 map[string]json.RawMessage
	Data                 json.RawMessage
}

// peer is a client of the hub with an outbox that is read in the background, or
// not at all while it is stalled.
type peer struct {
	t       testing.TB
	hub     *Hub
	client  *Client
	out     Outbox
	room    string
	id      string
	session string // of a resumable membership

	mu      sync.Mutex
	come    sync.Cond
	stalled bool
	waiting bool // Wake was called while stalled
	all     []message
	read    int // of all, by next
	closed  wire.CloseCode
	ended   time.Time // when the close came
}

// quietLimit is what a peer's outbox holds in tests that are not about it.
const quietLimit = 1 << 20

func newPeer(t testing.TB, h *Hub, limit int) *peer {
	p := &peer{t: t, hub: h}
	p.come.L = &p.mu
	p.out.Init(p, h.Stats, limit)
	p.client = NewClient(1, netip.Addr{}, &p.out)
	p.do(Register{p.client})
	t.Cleanup(func() {
		_ = h.Do(Unregister{p.client, event.ReasonLost})
		p.out.Discard()
	})
	return p
}

func (p *peer) do(c Command) {
	if err := p.hub.Do(c); err != nil {
		p.t.Error(err)
	}
}

// Wake implements Writer.
func (p *peer) Wake() {
	if !p.waits() {
		go p.write()
	}
}

// waits reports whether the peer is stalled, and has goOn write later.
func (p *peer) waits() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = p.waiting || p.stalled
	return p.stalled
}

// Closing implements Writer.
func (p *peer) Closing() {}

// Probe implements Writer.
func (p *peer) Probe() {}

// Challenge implements Writer.
func (p *peer) Challenge(time.Duration) {}

// Abort implements Writer.
func (p *peer) Abort() {}

func (p *peer) write() {
	for !p.waits() {
		frames, skip := p.out.Take(nil, 1)
		if len(frames) == 0 {
			return
		}
		p.record(frames[0])
		if more, caughtUp := p.out.Wrote(frames[0].Size()-skip, time.Now()); caughtUp {
			go func() { _ = p.hub.Do(CaughtUp{p.client}) }()
		} else if !more {
			return
		}
	}
}

func (p *peer) record(f *frame.Frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.come.Broadcast()
	if f.Bytes()[0] == 0x88 {
		p.closed = wire.CloseCode(f.Payload()[0])<<8 | wire.CloseCode(f.Payload()[1])
		p.ended = time.Now()
		return
	}
	if !f.IsMessage() {
		return
	}
	var m message
	if err := json.Unmarshal(f.Payload(), &m); err != nil {
		p.t.Errorf("%s: %v", f.Payload(), err)
	}
	p.all = append(p.all, m)
}

// stall stops the reading; resume goes on with it.
func (p *peer) stall() {
	p.mu.Lock()
	p.stalled = true
	p.mu.Unlock()
}

func (p *peer) goOn() {
	p.mu.Lock()
	p.stalled = false
	start := p.waiting
	p.waiting = false
	p.mu.Unlock()
	if start {
		go p.write()
	}
}

// next waits for the next message.
func (p *peer) next() message {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.read == len(p.all) {
		p.come.Wait()
	}
	p.read++
	return p.all[p.read-1]
}

// until waits for a message of which is holds.
func (p *peer) until(is func(m message) bool) message {
	p.t.Helper()
	for {
		if m := p.next(); is(m) {
			return m
		}
	}
}

// sees waits to be told that these are the members.
func (p *peer) sees(members ...string) {
	p.t.Helper()
	p.until(func(m message) bool { return m.Type == "room_members" && slices.Equal(m.Members, members) })
}

// wantError waits for the next message, which must be this error.
func (p *peer) wantError(code wire.Code) {
	p.t.Helper()
	if m := p.next(); m.Type != "error" || m.Code != code.String() {
		p.t.Errorf("%s got %+v, want error %s", p.id, m, code)
	}
}

// join asks to be let in, and reports whether that worked.
func (p *peer) join(room, id string) bool { return p.enter(room, id, "") }

// joinResumable is join with a session.
func (p *peer) joinResumable(room, id string) bool { return p.enter(room, id, NewSession(0)) }

func (p *peer) enter(room, id, session string) bool { return p.enterAs(room, id, session, nil) }

// joinAs is join with a grant.
func (p *peer) joinAs(room, id string, g *Grant) bool { return p.enterAs(room, id, "", g) }

func (p *peer) enterAs(room, id, session string, g *Grant) bool {
	done := make(chan bool, 1)
	p.do(&Join{
		Client: p.client, Room: room, ID: id, Done: done, Session: session, Grant: g,
		Welcome: frame.Text((&wire.Joined{Room: room, From: id, Session: session}).Text()),
		Refused: frame.Refused{Re: "join"},
	})
	in, err := Await(p.t.Context(), p.hub, done)
	if err != nil {
		p.t.Error(err)
	}
	if in {
		p.room, p.id, p.session = room, id, session
	}
	return in
}

// lose cuts the connection: what the peer has not read yet, it never will.
func (p *peer) lose() {
	p.do(Unregister{p.client, event.ReasonLost})
	p.sync()
}

// resumes takes up the membership of a peer that has read so many of its messages,
// and reports whether that worked.
func (p *peer) resumes(lost *peer, received int) bool {
	done := make(chan Resumed, 1)
	p.do(&Resume{Client: p.client, Session: lost.session, Received: uint64(received), Refused: frame.Refused{Re: "resume"}, Done: done})
	r, err := Await(p.t.Context(), p.hub, done)
	if err != nil {
		p.t.Error(err)
	}
	p.room, p.id, p.session = r.Room, r.ID, lost.session
	return r.ID != ""
}

// send forwards data to a member, or to all others where to is empty.
func (p *peer) send(to, data string) {
	text := fmt.Sprintf(`{"type":"message","data":%s}`, data)
	if to != "" {
		text = fmt.Sprintf(`{"type":"message","to":%q,"data":%s}`, to, data)
	}
	var e wire.Envelope
	if r := e.Parse([]byte(text)); r != nil {
		p.t.Error(r)
		return
	}
	s := wire.NewSuffixes(p.room, p.id)
	p.do(NewForward(p.client, &e, frame.Forward(&e, &s)))
}

// sync waits until the hub has applied all that was sent before.
func (p *peer) sync() {
	done := make(chan bool, 1)
	p.do(syncCommand(done))
	<-done
}

type syncCommand chan bool

func (s syncCommand) apply(*loop) { s <- true }
