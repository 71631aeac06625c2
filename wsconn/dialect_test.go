package wsconn

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// words is a small dialect: "join ROOM ID", "leave ROOM", "say ROOM TEXT", "insist ROOM TEXT",
// "call ROOM N" for so many messages to nobody, "lack ROOM" for messages without a body or a
// receiver, "mark ROOM REF" and "close", answered with words.
type words struct {
	begin error
	made  chan *Conn // takes each connection; may be nil
}

func (words) Name() string { return "words" }

func (words) Rooms() string { return "words:" }

func (w words) Speaker(c *Conn, _ *http.Request) Speaker {
	if w.made != nil {
		w.made <- c
	}
	return &speaker{c: c, begin: w.begin, rooms: map[string]*Membership{}}
}

type speaker struct {
	c     *Conn
	begin error
	rooms map[string]*Membership
}

func (s *speaker) Begin() error { return s.begin }

func (s *speaker) Message(text []byte) error {
	f := strings.SplitN(string(text), " ", 3)
	if len(f) > 1 && f[0] != "join" && s.rooms[f[1]] == nil {
		return s.c.Send([]byte("where?"))
	}
	switch f[0] {
	case "join":
		m, err := s.c.Join(Entry{Room: f[1], ID: f[2], Data: f[1], Outcome: failed})
		var r *wire.Refusal
		if errors.As(err, &r) {
			return s.c.Send([]byte("refused " + r.Code.String()))
		}
		s.rooms[f[1]] = m
		return err
	case "leave":
		s.rooms[f[1]].Leave()
		delete(s.rooms, f[1])
		return s.c.Send([]byte("left " + f[1]))
	case "say":
		return s.rooms[f[1]].Pass(&Outgoing{Type: wire.TypeMessage, Body: []byte(`"` + f[2] + `"`)})
	case "insist":
		return s.rooms[f[1]].Pass(&Outgoing{Type: wire.TypeMessage, Body: []byte(`"` + f[2] + `"`), Audience: ToAll, Patience: patience})
	case "call":
		n, _ := strconv.Atoi(f[2])
		for range n {
			if err := s.rooms[f[1]].Pass(&Outgoing{Type: wire.TypeMessage, To: []byte("nobody"), Body: []byte("1")}); err != nil {
				return err
			}
		}
		return nil
	case "lack":
		for _, o := range []Outgoing{{Type: wire.TypeMessage}, {Type: wire.TypeOffer, To: []byte("b")}, {Type: wire.TypeOffer, Body: []byte("1")}} {
			if err := s.rooms[f[1]].Pass(&o); err != nil {
				return err
			}
		}
		return nil
	case "mark":
		return s.rooms[f[1]].Mark(f[2])
	case "close":
		return CloseError(wire.CloseNormal, "as you wish")
	}
	return s.c.Send([]byte("what?"))
}

// failed tells the client of a message that could not be passed on.
func failed(_ *Outgoing, code wire.Code, out *Messages) {
	if code != wire.NoCode {
		out.Text([]byte("failed " + code.String()))
	}
}

func (s *speaker) Deliver(m *Membership, d *wire.Delivered, out *Messages) {
	room := m.Data.(string)
	switch d.Type {
	case wire.TypeJoined:
		out.Text([]byte("joined "), []byte(room))
	case wire.TypeMessage:
		out.Text([]byte("heard "), []byte(room), []byte(" "), d.From, []byte(" "), d.Body)
	case wire.TypePong:
		out.Text([]byte("marked "), d.Ref)
	case wire.TypeError:
		out.Text([]byte("error "), d.Code)
	}
}

func (s *speaker) Ended(m *Membership, code wire.CloseCode, _ string) bool {
	return m.Room == "closes" || code == wire.CloseTokenExpired
}

func (*speaker) Closed() {}

// newTalks serves the dialect beside version 1.
func newTalks(t *testing.T, w words, change func(*Options, *hub.Options)) (s *server, d *DialectHandler) {
	s = newServer(t, change)
	d = s.handler.Speaking(w)
	web := httptest.NewServer(d)
	t.Cleanup(web.Close)
	both := *s
	both.url, both.address = web.URL, web.Listener.Addr().String()
	return &both, d
}

// enter has a client of the dialect join a room.
func (c *client) enter(room, id string) {
	c.t.Helper()
	c.send("join %s %s", room, id)
	c.want("joined " + room)
}

func TestOneConnectionIsInManyRooms(t *testing.T) {
	s, d := newTalks(t, words{}, nil)
	a, b := s.dial(), s.dial()
	for _, room := range []string{"r", "s", "t"} {
		a.enter(room, "a")
	}
	b.enter("r", "b")
	b.enter("t", "b")
	for i := range 50 {
		a.send("say r %d", i)
	}
	for i := range 50 {
		b.want(fmt.Sprintf(`heard r a "%d"`, i))
	}
	a.send("say s nobody")
	a.send("say t x")
	b.want(`heard t a "x"`)
	b.send("join s a") // the same id as another's
	b.want("refused duplicate_id")
	a.send("leave t")
	a.want("left t")
	b.send("say t y")
	b.send("say r z")
	a.want(`heard r b "z"`)
	if in, out := d.Stats.MessagesIn.Load(), d.Stats.MessagesOut.Load(); in != 61 || out != 59 {
		t.Errorf("%d messages in and %d out are counted", in, out)
	}
}

func TestRoomsOfADialectAreForItsClients(t *testing.T) {
	plain := newServer(t, nil)
	plain.dial().join("words:r", "a") // there is no such dialect
	d := plain.handler.Speaking(words{})
	web := httptest.NewServer(d)
	t.Cleanup(web.Close)
	talks := *plain
	talks.url = web.URL
	talks.dial().enter("words:r", "b")
	c := plain.dial()
	c.send(`{"type":"join","room":"words:r","from":"c"}`)
	c.wantError(wire.CodeForbidden)
	c.join("words", "c")
}

func TestAMarkComesBehindTheAnswersToAllBefore(t *testing.T) {
	s, _ := newTalks(t, words{}, func(o *Options, _ *hub.Options) {
		o.Gate = allow(&Admission{Grant: &hub.Grant{Rights: wire.MayMessage}})
	})
	a := s.dial()
	a.enter("r", "a")
	a.enter("s", "b")
	a.enter("r2", "a")
	a.send("mark r 1")
	a.want("marked 1")
}

// allow admits everybody in the same way.
func allow(a *Admission) Gate { return sameGate{a} }

type sameGate struct{ a *Admission }

func (g sameGate) Join(context.Context, *JoinRequest) (*Admission, error) { return g.a, nil }

func (sameGate) Renew(context.Context, *RenewRequest) (*Admission, error) { return nil, ErrNoTokens }

func TestAMembershipThatTheHubEndsEndsAsItsSpeakerSays(t *testing.T) {
	s, _ := newTalks(t, words{}, nil)
	a, b := s.dial(), s.dial()
	a.enter("stays", "a")
	a.enter("r", "a")
	b.enter("r", "b")
	if err := s.hub.Kick(t.Context(), "stays", "a"); err != nil {
		t.Fatal(err)
	}
	b.send("say r x")
	a.want(`heard r b "x"`)
	b.enter("closes", "b")
	if err := s.hub.Kick(t.Context(), "closes", "b"); err != nil {
		t.Fatal(err)
	}
	b.wantClose(wire.CloseKicked)
	a.send("say r y") // to nobody
	a.send("mark r 1")
	a.want("marked 1")
}

func TestAnExpiredGrantEndsItsMembership(t *testing.T) {
	s, _ := newTalks(t, words{}, func(o *Options, _ *hub.Options) {
		o.Gate = allow(&Admission{Grant: &hub.Grant{Rights: wire.DefaultRights, Expires: time.Now().Add(50 * time.Millisecond)}})
	})
	a := s.dial()
	a.enter("r", "a")
	a.wantClose(wire.CloseTokenExpired)
}

// The gate may take longer than what is left.
func TestAGrantThatHasExpiredOnTheWayEndsItsMembership(t *testing.T) {
	s, _ := newTalks(t, words{}, func(o *Options, _ *hub.Options) {
		o.Gate = allow(&Admission{Grant: &hub.Grant{Rights: wire.DefaultRights, Expires: time.Now()}})
	})
	a := s.dial()
	a.send("join r a")
	a.wantClose(wire.CloseTokenExpired)
}

func TestAConnectionInNoRoomIsClosed(t *testing.T) {
	s, _ := newTalks(t, words{}, func(o *Options, _ *hub.Options) { o.JoinTimeout = time.Second })
	a := s.dial()
	a.enter("r", "a")
	s.dial().wantClose(wire.CloseNoJoin)
	a.send("mark r 1")
	a.want("marked 1")
	a.send("leave r")
	a.want("left r")
	a.wantClose(wire.CloseNoJoin)
}

func TestASpeakerMayEndItsConnection(t *testing.T) {
	s, _ := newTalks(t, words{begin: CloseError(wire.CloseNormal, "no")}, nil)
	s.dial().wantClose(wire.CloseNormal)
	s, _ = newTalks(t, words{}, nil)
	a := s.dial()
	a.send("close")
	a.wantClose(wire.CloseNormal)
}

func TestADialectDrainsWithItsHandler(t *testing.T) {
	s, d := newTalks(t, words{}, nil)
	a := s.dial()
	a.enter("r", "a")
	a.enter("s", "a")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error)
	go func() { done <- s.handler.Shutdown(ctx) }()
	a.wantClose(wire.CloseGoingAway)
	if err := <-done; err != nil || d.Stats.Connections.Load() != 0 {
		t.Errorf("%v, %d connections", err, d.Stats.Connections.Load())
	}
}

func TestAClientThatDoesNotReadEndsItsConnectionOnly(t *testing.T) {
	s, _ := newTalks(t, words{}, func(o *Options, _ *hub.Options) {
		o.QueueBytes, o.Rate, o.RateBytes, o.RateChanges = 128<<10, -1, -1, -1
	})
	deaf, other := s.dial(), s.dial()
	deaf.enter("r", "deaf")
	deaf.enter("s", "deaf")
	other.enter("s", "other")
	text := strings.Repeat("x", 32<<10)
	loud := s.dial()
	loud.enter("r", "loud")
	for range 400 { // more than the sockets take
		loud.send("say r %s", text)
	}
	for !gone(t, s.hub, "r", "deaf") {
		time.Sleep(20 * time.Millisecond)
	}
	other.send("mark s 1")
	other.want("marked 1")
}

// gone reports whether a room has no member with this id.
func gone(t *testing.T, h *hub.Hub, room, id string) bool {
	t.Helper()
	d, err := h.Room(t.Context(), room)
	if err != nil {
		t.Fatal(err)
	}
	if d == nil {
		return true
	}
	for _, m := range d.MemberList {
		if m.ID == id {
			return false
		}
	}
	return true
}

func TestOverItsLimitsAClientIsReadMoreSlowly(t *testing.T) {
	s, _ := newTalks(t, words{}, func(o *Options, _ *hub.Options) { o.Rate, o.Burst = 1000, 1 })
	a := s.dial()
	a.enter("r", "a")
	for range 100 {
		a.send("hm")
	}
	for range 100 { // nothing is refused
		a.want("what?")
	}
}

func TestTooManyRoomsAreRefused(t *testing.T) {
	s, _ := newTalks(t, words{}, func(o *Options, _ *hub.Options) { o.Rate, o.RateChanges = -1, -1 })
	a := s.dial()
	for i := range MaxMemberships {
		a.send("join %d a", i)
	}
	for i := range MaxMemberships {
		a.want(fmt.Sprint("joined ", i))
	}
	a.send("join more a")
	a.want("refused rate_limited")
	a.send("join  a")
	a.want("refused invalid_room")
}

func TestAConnectionHasOneBudgetHoweverManyRoomsItIsIn(t *testing.T) {
	s, _ := newTalks(t, words{}, func(o *Options, _ *hub.Options) {
		o.QueueBytes, o.Rate, o.RateBytes, o.RateChanges = 128<<10, -1, -1, -1
	})
	deaf, loud := s.dialNarrow(), s.dial()
	const rooms = 16
	for i := range rooms {
		deaf.enter(fmt.Sprint(i), "deaf")
		loud.enter(fmt.Sprint(i), "loud")
	}
	text, most := strings.Repeat("x", 32<<10), int64(0)
	for i := range 500 {
		loud.send("say %d %s", i%rooms, text)
		most = max(most, s.hub.Stats().OutboxBytes.Load())
	}
	for !gone(t, s.hub, "1", "deaf") {
		most = max(most, s.hub.Stats().OutboxBytes.Load())
		time.Sleep(5 * time.Millisecond)
	}
	if bound := int64(7 << 20); most > bound { // 6 MiB, and what the writer has
		t.Errorf("%d bytes have waited for one connection, more than %d", most, bound)
	}
}

func TestAConnectionHasOneFanOutHoweverManyRoomsItIsIn(t *testing.T) {
	s, _ := newTalks(t, words{}, func(_ *Options, o *hub.Options) { o.RateFanOut, o.BurstFanOut = 1, 3000 })
	a, b, c := s.dial(), s.dial(), s.dial()
	for id, one := range map[string]*client{"a": a, "b": b, "c": c} {
		one.enter("r", id)
		one.enter("s", id)
	}
	text := strings.Repeat("x", 2000)
	a.send("say r %s", text)
	a.send("say s %s", text)
	a.want("failed congested")
	b.want(`heard r a "` + text + `"`)
}
