package actor

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

func of(subject string) *Grant { return &Grant{Rights: wire.DefaultRights, Subject: subject} }

// takeOver asks to be let in as id in another's place.
func (p *peer) takeOver(room, id string, g *Grant) bool {
	done := make(chan bool, 1)
	p.do(&Join{
		Client: p.client, Room: room, ID: id, Grant: g, Takeover: true, Done: done,
		Welcome: frame.Text((&wire.Joined{Room: room, From: id}).Text()), Refused: frame.Refused{Re: "join"},
	})
	in, err := Await(p.t.Context(), p.hub, done)
	if err != nil {
		p.t.Error(err)
	}
	if in {
		p.room, p.id = room, id
	}
	return in
}

// A member whose token names its id is replaced by a join with a token of the same
// sub: no list is without the id, and all are told to connect anew.
func TestTakeover(t *testing.T) {
	for _, c := range []struct {
		name           string
		holder, joiner *Grant
		want           bool
	}{
		{"same sub", of("ann"), of("ann"), true},
		{"a holder without a token", nil, of("ann"), false},
		{"a joiner without a token", of("ann"), nil, false},
		{"another sub", of("ann"), of("bob"), false},
		{"a holder with another sub", of("bob"), of("ann"), false},
		{"neither names the id", of("bob"), of("bob"), false},
		{"no sub at all", of(""), of(""), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHub(t, Options{MaxRoomMembers: 2, ResumeWindow: window})
			old, other, fresh := newPeer(t, h, quietLimit), newPeer(t, h, quietLimit), newPeer(t, h, quietLimit)
			old.enterAs("r", "ann", NewSession(0), c.holder)
			other.joinAs("r", "other", moderator)
			other.do(&Lock{Order: by(other, "lock"), Locked: true})
			other.until(func(m message) bool { return m.Locked })
			if got := fresh.takeOver("r", "ann", c.joiner); got != c.want {
				t.Fatalf("taken over: %v", got)
			}
			if !c.want {
				fresh.wantError(wire.CodeDuplicateID)
				return
			}
			old.wantClosed(wire.CloseReplaced)
			if m := other.next(); m.Type != "room_members" || !slices.Equal(m.Members, []string{"ann", "other"}) || !m.Locked {
				t.Errorf("the others got %+v", m)
			}
			fresh.send("other", "1")
			if m := other.next(); m.From != "ann" || string(m.Data) != "1" {
				t.Errorf("got %+v", m)
			}
			again := newPeer(t, h, quietLimit)
			if again.resumes(old, 2) {
				t.Error("the old session was resumed")
			}
		})
	}
}

// A membership whose connection is lost can be taken over too.
func TestTakeoverOfALostConnection(t *testing.T) {
	h := newHub(t, Options{ResumeWindow: window})
	old, fresh := newPeer(t, h, quietLimit), newPeer(t, h, quietLimit)
	old.enterAs("r", "ann", NewSession(0), of("ann"))
	old.lose()
	if !fresh.takeOver("r", "ann", of("ann")) || h.Stats.Suspended.Load() != 0 || h.Stats.Members.Load() != 1 {
		t.Errorf("%d suspended, %d members", h.Stats.Suspended.Load(), h.Stats.Members.Load())
	}
}

// A join with a taken id has its holder show that it lives.
func TestTakenIDChallengesItsHolder(t *testing.T) {
	l := still(Options{})
	s := new(sink)
	var box Outbox
	box.Init(s, l.hub.Stats, 1<<20)
	holder := NewClient(1, netip.Addr{}, &box)
	l.apply(Register{holder})
	l.join(holder, "r", "a", "")
	other, _ := l.connect(1 << 20)
	if l.join(other, "r", "a", "") || s.challenge != 2*time.Second {
		t.Errorf("the holder was given %s", s.challenge)
	}
	s.challenge = 0
	if l.join(other, "r", "b", ""); s.challenge != 0 {
		t.Error("a free id challenges somebody")
	}
}

// A kicked member stays out by every way that the server can see.
func TestBanCoversTheWaysBack(t *testing.T) {
	home, away := netip.MustParseAddr("2001:db8:1:2::1"), netip.MustParseAddr("192.0.2.1")
	for _, c := range []struct {
		name  string
		bad   *Grant
		from  netip.Addr
		id    string
		back  *Grant
		at    netip.Addr
		other netip.Addr // of another member
		in    bool
	}{
		{"the same id", nil, home, "bad", nil, away, netip.Addr{}, false},
		{"the same id with a token", nil, home, "bad", of("bad"), away, netip.Addr{}, false},
		{"another id, a guest from the same address", nil, home, "x", nil, home, netip.Addr{}, false},
		{"another id, from the same /64", nil, home, "x", nil, netip.MustParseAddr("2001:db8:1:2::ffff"), netip.Addr{}, false},
		{"another id, from the next /64", nil, home, "x", nil, netip.MustParseAddr("2001:db8:1:3::1"), netip.Addr{}, true},
		{"a member with a token from the same address", nil, home, "x", of("x"), home, netip.Addr{}, true},
		{"an address that is another member's too", nil, home, "x", nil, home, netip.MustParseAddr("2001:db8:1:2::3"), true},
		{"another id with the same sub", of("sub"), home, "x", of("sub"), away, netip.Addr{}, false},
		{"a guest from the address of a member with a token", of("sub"), home, "x", nil, home, netip.Addr{}, false},
		{"mapped into IPv6", nil, away, "x", nil, netip.MustParseAddr("::ffff:192.0.2.1"), netip.Addr{}, false},
		{"somebody else", nil, home, "x", nil, away, netip.Addr{}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := still(Options{KickBan: time.Minute})
			enter := func(id string, g *Grant, a netip.Addr) (*Client, bool) {
				o := new(Outbox)
				o.Init(new(sink), l.hub.Stats, 1<<20)
				client := NewClient(1, a, o)
				l.apply(Register{client})
				done := make(chan bool, 1)
				l.apply(&Join{Client: client, Room: "r", ID: id, Grant: g, Welcome: pong(""), Done: done})
				return client, <-done
			}
			mod, _ := enter("mod", moderator, netip.MustParseAddr("203.0.113.1"))
			if c.other.IsValid() {
				enter("other", nil, c.other)
			}
			enter("bad", c.bad, c.from)
			l.apply(&Kick{Order: Order{Client: mod}, To: "bad"})
			if _, in := enter(c.id, c.back, c.at); in != c.in {
				t.Errorf("let in: %v", in)
			}
			l.now = l.now.Add(2 * time.Minute)
			if _, in := enter(c.id+"later", c.back, c.at); !in {
				t.Error("the ban goes on")
			}
		})
	}
}

// Other servers are told of a ban, and of none where there are no bans.
func TestBansAreShared(t *testing.T) {
	for _, ban := range []time.Duration{0, time.Minute} {
		var shared []RoomMeta
		l := still(Options{KickBan: ban, TellNodes: func(m RoomMeta) { shared = append(shared, m) }})
		c, _ := l.connect(1 << 20)
		l.join(c, "r", "bad", "")
		l.apply(&Kick{Order: Order{Room: "r"}, To: "bad"})
		if ban == 0 {
			if len(shared) != 0 || len(l.bans) != 0 {
				t.Errorf("without bans %v was told, %d are kept", shared, len(l.bans))
			}
			continue
		}
		if len(shared) != 1 || shared[0].Room != "r" || !shared[0].Bans["bad"].Equal(l.now.Add(ban)) {
			t.Errorf("told %v", shared)
		}
	}
}

// A ban that a clock set forward brought is forgotten in the end.
func TestBansAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Options{KickBan: time.Minute})
		defer h.Close()
		p := newPeer(t, h, quietLimit)
		until := time.Now().Add(time.Hour)
		p.do(&Restore{Rooms: []RoomMeta{{Room: "r", Bans: map[string]time.Time{"p": until}}}})
		if p.join("r", "p") {
			t.Error("let in")
		}
		time.Sleep(2 * time.Hour)
		if !p.join("r", "p") {
			t.Error("not let in after two hours")
		}
		n, err := askLoop(t.Context(), h, func(l *loop) int { return len(l.bans) })
		if n != 0 || err != nil {
			t.Errorf("%d bans, %v", n, err)
		}
	})
}

// The server says how many of a client's messages it has handled: those that it
// forwarded, answered or refused, whatever they were.
func TestHandled(t *testing.T) {
	h := newHub(t, Options{ResumeWindow: window})
	p, other := newPeer(t, h, quietLimit), newPeer(t, h, quietLimit)
	other.join("r", "other")
	p.do(&Refuse{Client: p.client, Refusal: ErrNotJoined}) // before the join: does not count
	p.joinResumable("r", "p")
	p.send("other", "1")
	p.send("", "2")
	p.send("nobody", "3")
	p.do(&Rename{Client: p.client, Name: "P"})
	p.do(&Update{Client: p.client, Meta: []byte("1")})
	p.do(&Reply{Client: p.client, Frame: pong("")})
	p.do(&Refuse{Client: p.client, Refusal: ErrAlreadyJoined})
	p.do(&Kick{Order: by(p, "kick"), To: "other"})
	p.do(&Lock{Order: by(p, "lock"), Locked: true})
	p.do(&Renew{Client: p.client, Grant: moderator, Frame: pong("")})
	p.do(&Lock{Order: by(p, "lock"), Locked: true})
	p.do(&Kick{Order: by(p, "kick"), To: "nobody"})
	p.join("s", "p") // already_joined
	p.lose()
	second := newPeer(t, h, quietLimit)
	if !second.resumes(p, 0) {
		t.Fatal("not resumed")
	}
	if m := second.next(); m.Handled != 14 {
		t.Errorf("resumed: %+v", m)
	}
	second.send("other", "4")
	second.lose()
	third := newPeer(t, h, quietLimit)
	third.resumes(second, 1)
	if m := third.next(); m.Handled != 15 {
		t.Errorf("resumed again: %+v", m)
	}
}

// A message from a connection whose membership has moved on does nothing and is not
// counted.
func TestLateMessagesOfAReplacedConnection(t *testing.T) {
	h := newHub(t, Options{ResumeWindow: window})
	p, other := newPeer(t, h, quietLimit), newPeer(t, h, quietLimit)
	other.join("r", "other")
	p.joinResumable("r", "p")
	second := newPeer(t, h, quietLimit)
	second.resumes(p, 0)
	p.send("other", `"late"`)
	p.do(&Rename{Client: p.client, Name: "late"})
	second.send("other", `"last"`)
	if m := other.until(func(m message) bool { return m.Type == "message" }); string(m.Data) != `"last"` {
		t.Errorf("got %+v", m)
	}
	third := newPeer(t, h, quietLimit)
	third.resumes(second, 0)
	if m := third.next(); m.Handled != 2 {
		t.Errorf("resumed: %+v", m)
	}
}

// A resume with more messages than there were ends nothing; neither does a guess.
func TestWrongResumeHarmsNobody(t *testing.T) {
	h := newHub(t, Options{ResumeWindow: window})
	p, other, wrong := newPeer(t, h, quietLimit), newPeer(t, h, quietLimit), newPeer(t, h, quietLimit)
	other.join("r", "other")
	p.joinResumable("r", "p")
	if wrong.resumes(p, 1000) {
		t.Error("resumed")
	}
	wrong.wantError(wire.CodeSessionExpired)
	other.send("p", "1")
	if m := p.until(func(m message) bool { return m.Type == "message" }); string(m.Data) != "1" {
		t.Errorf("got %+v", m)
	}
	second := newPeer(t, h, quietLimit)
	if !second.resumes(p, 0) {
		t.Error("the right one is not resumed any more")
	}
}

// A member has a profile, which lists tell of until it is removed.
func TestProfile(t *testing.T) {
	h := newHub(t, Options{})
	p, other := newPeer(t, h, quietLimit), newPeer(t, h, quietLimit)
	other.join("r", "other")
	done := make(chan bool, 1)
	p.do(&Join{Client: p.client, Room: "r", ID: "p", Meta: []byte(`{"a":1}`), Done: done, Welcome: pong("")})
	<-done
	p.id, p.room = "p", "r"
	told := func(want string) {
		t.Helper()
		other.until(func(m message) bool { return string(m.Meta["p"]) == want && slices.Contains(m.Members, "p") })
	}
	told(`{"a":1}`)
	p.do(&Update{Client: p.client, Meta: []byte(`[2]`)})
	told(`[2]`)
	p.do(&Update{Client: p.client})
	told("")
	p.do(&Renew{Client: p.client, Grant: &Grant{Rights: wire.DefaultRights, Profiled: true}, Meta: []byte("3"), Frame: pong("")})
	told("3")
	p.do(&Renew{Client: p.client, Grant: &Grant{Rights: wire.DefaultRights, Profiled: true}, Name: "P", Frame: pong("")})
	told("3") // which a renewal without one keeps
	p.do(&Update{Client: p.client, Meta: []byte("4"), Refused: frame.Refused{Re: "update"}})
	p.until(func(m message) bool { return m.Code == "forbidden" && m.Re == "update" })
	p.do(&Renew{Client: p.client, Grant: &Grant{Rights: wire.DefaultRights, Profiled: true}, Meta: []byte("null"), Frame: pong("")})
	told("")
}

// A close frame with 1001 may be a proxy's: a resumable membership goes on, any other
// ends.
func TestGoAway(t *testing.T) {
	for _, session := range []string{"", NewSession(0)} {
		h := newHub(t, Options{ResumeWindow: window})
		p, other := newPeer(t, h, quietLimit), newPeer(t, h, quietLimit)
		p.enter("r", "p", session)
		other.join("r", "other")
		other.sees("other", "p")
		done := make(chan bool, 1)
		p.do(&GoAway{p.client, done})
		if stays := <-done; stays != (session != "") {
			t.Errorf("the membership stays: %v", stays)
		}
		p.do(Unregister{p.client, event.ReasonGoneAway})
		if session == "" {
			other.sees("other")
			continue
		}
		other.send("p", "1")
		second := newPeer(t, h, quietLimit)
		if !second.resumes(p, 2) {
			t.Fatal("not resumed")
		}
		second.until(func(m message) bool { return string(m.Data) == "1" })
	}
}

// A connection that decides to close a client may be late: the hub looks again.
func TestConditionalDisconnect(t *testing.T) {
	l := still(Options{})
	closes := func(c *Client, only Only) bool {
		l.apply(&Disconnect{Client: c, Code: wire.CloseNoJoin, Only: only})
		return c.closed
	}
	c, _ := l.connect(1 << 20)
	l.join(c, "r", "a", "")
	if closes(c, IfOutside) || closes(c, IfExpired) {
		t.Error("a member was closed for what is not so")
	}
	c.member.grant = &Grant{Expires: l.now.Add(-time.Second)}
	if !closes(c, IfExpired) {
		t.Error("an expired grant goes on")
	}
	// The batch that the command is in may have begun before.
	late, _ := l.connect(1 << 20)
	l.join(late, "r", "late", "")
	late.member.grant = &Grant{Expires: time.Now()}
	l.now = late.member.grant.Expires.Add(-time.Millisecond)
	if !closes(late, IfExpired) {
		t.Error("a grant that expired since the batch began goes on")
	}
	if d, _ := l.connect(1 << 20); closes(d, IfExpired) || !closes(d, IfOutside) {
		t.Error("one that has not joined goes on")
	}
}
