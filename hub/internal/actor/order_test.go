package actor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

var moderator = &Grant{Rights: wire.DefaultRights | wire.MayModerate}

// by is the order of a peer.
func by(p *peer, re string) Order { return Order{Client: p.client, Refused: frame.Refused{Re: re}} }

// order carries out a command of those who run the server, and returns what came
// of it.
func order(t *testing.T, h *Hub, room string, command func(o Order) Command) error {
	t.Helper()
	done := make(chan error, 1)
	if err := h.Do(command(Order{Room: room, Done: done})); err != nil {
		t.Fatal(err)
	}
	refusal, err := Await(t.Context(), h, done)
	if err != nil {
		t.Fatal(err)
	}
	return refusal
}

// wantClosed waits for the connection's close frame, which must have this code.
func (p *peer) wantClosed(code wire.CloseCode) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.closed == 0 {
		p.come.Wait()
	}
	if p.closed != code {
		p.t.Errorf("%s was closed with %d, want %d", p.id, p.closed, code)
	}
}

func TestKick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Options{ResumeWindow: window, KickBan: time.Minute})
		defer h.Close()
		mod, bad, other := newPeer(t, h, quietLimit), newPeer(t, h, quietLimit), newPeer(t, h, quietLimit)
		mod.joinAs("r", "mod", moderator)
		bad.joinResumable("r", "bad")
		other.join("r", "other")
		other.sees("bad", "mod", "other")
		other.do(&Kick{Order: by(other, "kick"), To: "bad"})
		other.wantError(wire.CodeForbidden)
		mod.do(&Kick{Order: by(mod, "kick"), To: "nobody"})
		mod.until(func(m message) bool { return m.Type == "error" && m.Code == "target_not_found" && m.Re == "kick" })
		mod.do(&Kick{Order: by(mod, "kick"), To: "bad"})
		bad.wantClosed(wire.CloseKicked)
		other.sees("mod", "other")

		again := newPeer(t, h, quietLimit)
		if again.resumes(bad, 2) {
			t.Error("the session of a kicked member was resumed")
		}
		again.wantError(wire.CodeSessionExpired)
		if again.join("r", "bad") {
			t.Error("a kicked member is back in at once")
		}
		again.wantError(wire.CodeForbidden)
		if !again.join("elsewhere", "bad") {
			t.Error("a kicked member can't join another room")
		}
		again.do(Leave{again.client})
		time.Sleep(time.Minute)
		synctest.Wait()
		if !again.join("r", "bad") {
			t.Error("the ban does not end")
		}
		if n, _ := askLoop(context.Background(), h, func(l *loop) int { return len(l.bans) }); n != 0 {
			t.Errorf("%d bans are kept", n)
		}
	})
}

// Those who run the server are told which room or member is not there.
func TestOrdersSayWhatIsMissing(t *testing.T) {
	h := newHub(t, Options{})
	newPeer(t, h, quietLimit).join("r", "a")
	for room, want := range map[string]string{"r": `target_not_found: room "r" has no member "b"`, "s": `target_not_found: there is no room "s"`} {
		err := order(t, h, room, func(o Order) Command { return &Kick{Order: o, To: "b"} })
		if err == nil || err.Error() != want || wire.CodeOf(err) != wire.CodeTargetNotFound {
			t.Errorf("kick in %q: %v", room, err)
		}
	}
}

// A member whose connection is lost can be kicked too.
func TestKickLost(t *testing.T) {
	h := newHub(t, Options{ResumeWindow: window})
	lost, other := pair(t, h, quietLimit)
	lost.lose()
	if r := order(t, h, "r", func(o Order) Command { return &Kick{Order: o, To: "lost"} }); r != nil {
		t.Error(r)
	}
	other.sees("other")
	if n := h.Stats.Suspended.Load(); n != 0 {
		t.Errorf("%d members are suspended", n)
	}
}

func TestLock(t *testing.T) {
	h := newHub(t, Options{})
	mod, late := newPeer(t, h, quietLimit), newPeer(t, h, quietLimit)
	mod.joinAs("r", "mod", moderator)
	mod.sees("mod")
	mod.do(&Lock{Order: by(mod, "lock"), Locked: true})
	if m := mod.next(); !m.Locked {
		t.Errorf("after lock: %+v", m)
	}
	mod.do(&Lock{Order: by(mod, "lock"), Locked: true}) // nothing changes
	if late.join("r", "late") {
		t.Error("a locked room lets in")
	}
	late.wantError(wire.CodeRoomLocked)
	second := newPeer(t, h, quietLimit)
	if !second.joinAs("r", "second", moderator) {
		t.Error("a locked room does not let a moderator in")
	}
	if m := mod.next(); !m.Locked || len(m.Members) != 2 {
		t.Errorf("got %+v", m)
	}
	mod.do(&Lock{Order: by(mod, "unlock")})
	if m := mod.next(); m.Locked {
		t.Errorf("after unlock: %+v", m)
	}
	if !late.join("r", "late") {
		t.Error("an unlocked room does not let in")
	}
	for _, p := range []*peer{mod, second, late} {
		p.do(Leave{p.client})
	}
	if r := order(t, h, "r", func(o Order) Command { return &Lock{Order: o, Locked: true} }); r == nil || wire.CodeOf(r) != wire.CodeTargetNotFound {
		t.Errorf("locking a room that is no more: %v", r)
	}
}

// The lock ends with the room.
func TestLockEndsWithRoom(t *testing.T) {
	h := newHub(t, Options{})
	p := newPeer(t, h, quietLimit)
	p.join("r", "p")
	if r := order(t, h, "r", func(o Order) Command { return &Lock{Order: o, Locked: true} }); r != nil {
		t.Fatal(r)
	}
	p.do(Leave{p.client})
	if !p.join("r", "p") {
		t.Error("the room is locked still")
	}
}

func TestCloseRoomAndAnnounce(t *testing.T) {
	h := newHub(t, Options{KickBan: time.Minute})
	a, b, elsewhere := newPeer(t, h, quietLimit), newPeer(t, h, quietLimit), newPeer(t, h, quietLimit)
	a.join("r", "a")
	b.join("r", "b")
	elsewhere.join("s", "a")
	elsewhere.sees("a")
	a.sees("a", "b")
	if r := order(t, h, "r", func(o Order) Command { return &Announce{Order: o, Data: json.RawMessage(`{"x":1}`)} }); r != nil {
		t.Fatal(r)
	}
	if m := a.next(); m.Type != "message" || m.From != "" || m.Room != "r" || string(m.Data) != `{"x":1}` {
		t.Errorf("got %+v", m)
	}
	if r := order(t, h, "r", func(o Order) Command { return &CloseRoom{o} }); r != nil {
		t.Fatal(r)
	}
	a.wantClosed(wire.CloseKicked)
	b.wantClosed(wire.CloseKicked)
	again := newPeer(t, h, quietLimit)
	if !again.join("r", "a") {
		t.Error("a closed room can't be opened again")
	}
	elsewhere.send("a", "2")
	if m := elsewhere.next(); m.Type != "message" {
		t.Errorf("another room was touched: %+v", m)
	}
}

func TestCapacityOfJoin(t *testing.T) {
	h := newHub(t, Options{MaxRoomMembers: 3})
	for i, c := range []struct {
		capacity int
		want     bool
	}{{1, true}, {1, false}, {2, true}, {2, false}, {0, true}, {0, false}, {4, true}} {
		p := newPeer(t, h, quietLimit)
		done := make(chan bool, 1)
		p.do(&Join{Client: p.client, Room: "r", ID: fmt.Sprint(i), Capacity: c.capacity, Welcome: frame.Text(wire.PongText("")), Done: done})
		if in, _ := Await(t.Context(), h, done); in != c.want {
			t.Errorf("join %d into a room for %d: %v", i, c.capacity, in)
		}
	}
}

func TestRenew(t *testing.T) {
	h := newHub(t, Options{})
	p := newPeer(t, h, quietLimit)
	p.do(&Renew{Client: p.client, Grant: moderator, Frame: frame.Text(wire.TokenText(time.Now(), ""))})
	p.wantError(wire.CodeNotJoined)
	p.join("r", "p")
	p.sees("p")
	p.do(&Lock{Order: by(p, "lock"), Locked: true})
	p.wantError(wire.CodeForbidden)
	p.do(&Renew{
		Client: p.client, Name: "Pat", Frame: frame.Text(wire.TokenText(time.Now(), "1")),
		Grant: &Grant{Rights: wire.MayModerate, Named: true},
	})
	if m := p.next(); m.Type != "token" || m.Ref != "1" {
		t.Errorf("got %+v", m)
	}
	p.until(func(m message) bool { return m.Names["p"] == "Pat" })
	p.do(&Rename{Client: p.client, Name: "Other"})
	p.wantError(wire.CodeForbidden)
	p.do(&Lock{Order: by(p, "lock"), Locked: true})
	p.until(func(m message) bool { return m.Locked })
}

// A session whose token ran out is over.
func TestResumeExpiredGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Options{ResumeWindow: window})
		defer h.Close()
		lost, other := newPeer(t, h, quietLimit), newPeer(t, h, quietLimit)
		other.join("r", "other")
		lost.enterAs("r", "lost", NewSession(0), &Grant{Rights: wire.DefaultRights, Expires: time.Now().Add(5 * time.Second)})
		other.sees("lost", "other")
		lost.lose()
		time.Sleep(6 * time.Second)
		again := newPeer(t, h, quietLimit)
		if again.resumes(lost, 2) {
			t.Error("resumed with a token that has run out")
		}
		again.wantError(wire.CodeSessionExpired)
		other.sees("other")
	})
}

// Listings have everything that is there all the time, once, also while rooms open
// and close.
func TestListings(t *testing.T) {
	h := newHub(t, Options{})
	const rooms = 3*sliceSize + 7
	var stay []string
	for i := range rooms {
		name := fmt.Sprintf("stay-%04d", i)
		stay = append(stay, name)
		newPeer(t, h, quietLimit).join(name, "a")
	}
	comes := newPeer(t, h, quietLimit)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				comes.join(fmt.Sprintf("comes-%d", i), "a")
				comes.do(Leave{comes.client})
			}
		}
	}()
	for range 20 {
		all, err := h.Rooms(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		var have []string
		for _, r := range all {
			if r.Name[:4] == "stay" {
				have = append(have, r.Name)
			}
		}
		if !slices.Equal(have, stay) {
			t.Fatalf("%d rooms of %d are listed", len(have), rooms)
		}
	}
	close(stop)
	<-stopped
	clients, err := h.Clients(context.Background())
	if err != nil || len(clients) == 0 || clients[0].Room == "" {
		t.Errorf("clients: %v %v", clients, err)
	}
}

func TestRoomDetail(t *testing.T) {
	h := newHub(t, Options{ResumeWindow: window})
	const members = sliceSize + 3
	for i := range members { // that nobody reads for: reading all lists takes seconds
		o := new(Outbox)
		o.Init(new(sink), h.Stats, 1<<20)
		c := NewClient(1, netip.Addr{}, o)
		h.do(t, Register{c})
		h.do(t, &Join{Client: c, Room: "r", ID: fmt.Sprintf("%04d", i), Welcome: pong("")})
	}
	lost := newPeer(t, h, quietLimit)
	lost.enterAs("r", "lost", NewSession(0), moderator)
	lost.lose()
	order(t, h, "r", func(o Order) Command { return &Announce{Order: o, Data: json.RawMessage(`1`)} })
	var last MemberInfo
	for i := 0; last.Backlog == 0 && i < 10_000; i++ { // the announcement goes out in rounds
		d, err := h.Room(context.Background(), "r")
		if err != nil || d == nil || len(d.MemberList) != members+1 || d.Members != members+1 {
			t.Fatalf("%+v %v", d, err)
		}
		last = d.MemberList[members]
	}
	if last.ID != "lost" || last.Conn != 0 || !last.Resumable || last.Rights != moderator.Rights || last.Backlog == 0 {
		t.Errorf("%+v", last)
	}
	if d, err := h.Room(context.Background(), "nothing"); d != nil || err != nil {
		t.Errorf("%v %v", d, err)
	}
}

func TestNotify(t *testing.T) {
	var seen []string
	h := New(Options{Notify: func(e event.Event) {
		seen = append(seen, fmt.Sprintf("%s %s %s %d %s %s", e.Kind, e.Room, e.ID, e.Members, e.Reason, e.By))
	}})
	mod, bad := newPeer(t, h, quietLimit), newPeer(t, h, quietLimit)
	mod.joinAs("r", "mod", moderator)
	bad.join("r", "bad")
	mod.do(&Kick{Order: by(mod, "kick"), To: "bad"})
	mod.do(Leave{mod.client})
	mod.sync()
	h.Close()
	want := []string{
		"room opened r  0  ", "member joined r mod 1  ", "member joined r bad 2  ", "member kicked r bad 0  mod",
		"member left r bad 1 kicked ", "member left r mod 0 left ", "room closed r  0  ",
	}
	if !slices.Equal(seen, want) {
		t.Errorf("told %q, want %q", seen, want)
	}
}
