package hub

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A hub can be looked at and given orders with its methods alone; errors carry the
// protocol's codes.
func TestOrders(t *testing.T) {
	h := newHub(t, Options{KickBan: time.Minute})
	ann, bob := connect(h), connect(h)
	ann.enter(t, "garden", "ann")
	bob.enter(t, "garden", "bob")
	ctx := t.Context()
	if rooms, err := h.Rooms(ctx); err != nil || len(rooms) != 1 || rooms[0].Name != "garden" || rooms[0].Members != 2 {
		t.Errorf("%+v %v", rooms, err)
	}
	if d, err := h.Room(ctx, "garden"); err != nil || len(d.MemberList) != 2 || d.MemberList[1].ID != "bob" {
		t.Errorf("%+v %v", d, err)
	}
	if all, err := h.Clients(ctx); err != nil || len(all) == 0 || all[0].Conn != 7 {
		t.Errorf("%+v %v", all, err)
	}
	if d, err := h.Room(ctx, "nothing"); d != nil || err != nil {
		t.Errorf("%+v %v", d, err)
	}
	for name, c := range map[string]struct {
		do   func() error
		want wire.Code
	}{
		"lock":                     {func() error { return h.Lock(ctx, "garden") }, wire.NoCode},
		"unlock":                   {func() error { return h.Unlock(ctx, "garden") }, wire.NoCode},
		"lock no room":             {func() error { return h.Lock(ctx, "nothing") }, wire.CodeTargetNotFound},
		"unlock no room":           {func() error { return h.Unlock(ctx, "nothing") }, wire.CodeTargetNotFound},
		"kick nobody":              {func() error { return h.Kick(ctx, "garden", "nobody") }, wire.CodeTargetNotFound},
		"kick in no room":          {func() error { return h.Kick(ctx, "nothing", "bob") }, wire.CodeTargetNotFound},
		"close no room":            {func() error { return h.CloseRoom(ctx, "nothing") }, wire.CodeTargetNotFound},
		"announce":                 {func() error { return h.Announce(ctx, "garden", json.RawMessage(`"é"`)) }, wire.NoCode},
		"announce to no room":      {func() error { return h.Announce(ctx, "nothing", json.RawMessage(`1`)) }, wire.CodeTargetNotFound},
		"announce no JSON":         {func() error { return h.Announce(ctx, "garden", json.RawMessage(`{`)) }, wire.CodeBadMessage},
		"the largest announcement": {func() error { return h.Announce(ctx, "garden", announcement(MaxAnnouncement)) }, wire.NoCode},
		"a larger announcement":    {func() error { return h.Announce(ctx, "garden", announcement(MaxAnnouncement+1)) }, wire.CodeBadMessage},
		"announce nothing":         {func() error { return h.Announce(ctx, "garden", nil) }, wire.CodeBadMessage},
		"announce in Latin-1":      {func() error { return h.Announce(ctx, "garden", json.RawMessage("\"Pr\xfcfung\"")) }, wire.CodeBadMessage},
		"a room's other spelling":  {func() error { return h.Lock(ctx, "garden") }, wire.NoCode},
	} {
		err := c.do()
		if wire.CodeOf(err) != c.want || (err == nil) != (c.want == wire.NoCode) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := h.Kick(ctx, "garden", "bob"); err != nil {
		t.Error(err)
	}
	if err := h.CloseRoom(ctx, "garden"); err != nil {
		t.Error(err)
	}
	if rooms, err := h.Rooms(ctx); err != nil || len(rooms) != 0 {
		t.Errorf("%+v %v", rooms, err)
	}
	ann.End(event.ReasonLost)
	bob.End(event.ReasonLost)
}

// announcement is JSON of so many bytes.
func announcement(bytes int) json.RawMessage {
	return json.RawMessage(`"` + strings.Repeat("x", bytes-2) + `"`)
}

// A membership is resumed under its session on another connection, with what its client
// has missed; there is nothing to resume under another.
func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, Options{ResumeWindow: time.Minute})
		ann, bob, again := connect(h), connect(h), connect(h)
		bob.enter(t, "garden", "bob")
		for _, l := range []*line{ann, again} {
			if err := l.Start(); err != nil {
				t.Fatal(err)
			}
		}
		session := h.NewSession("garden")
		in, err := ann.Join(Join{Room: "garden", ID: "ann", Name: "Ann", Session: session, Welcome: []byte(`{}`)}, Request{Type: "join"})
		if !in || err != nil {
			t.Fatal(in, err)
		}
		ann.End(event.ReasonLost)
		if err := h.Announce(t.Context(), "garden", json.RawMessage(`"missed"`)); err != nil {
			t.Fatal(err)
		}
		if r, err := again.Resume(h.NewSession("garden"), 1, 1000, Request{Type: "resume"}); r.ID != "" || err != nil {
			t.Errorf("resumed %+v under an unknown session, %v", r, err)
		}
		if r, err := again.Resume(session, 1, 1000, Request{Type: "resume"}); r.Room != "garden" || r.ID != "ann" || r.Name != "Ann" || err != nil {
			t.Errorf("resumed %+v, %v", r, err)
		}
		synctest.Wait()
		if got := again.got(); !strings.Contains(got, "session_expired") || !strings.Contains(got, `"missed"`) {
			t.Errorf("got %s", got)
		}
		again.End(event.ReasonLost)
		bob.End(event.ReasonLost)
		_ = h.Close()
	})
}

// A name that is spelled in two ways is one room and one member.
func TestOrdersFindEverySpelling(t *testing.T) {
	h := newHub(t, Options{})
	c := connect(h)
	c.enter(t, "Cafe\u0301", "Zo\u00eb")
	if err := h.Kick(t.Context(), "Cafe\u0301", "Zoe\u0308"); err != nil {
		t.Error(err)
	}
	c.End(event.ReasonLost)
}

// Shutdown and Close work as in net/http: in any order and more than once. All
// methods go on to return.
func TestEnds(t *testing.T) {
	shutdown := func(t *testing.T, h *Hub) {
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
	end := func(t *testing.T, h *Hub) {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
	for name, ends := range map[string][]func(*testing.T, *Hub){
		"shutdown twice":  {shutdown, shutdown},
		"close twice":     {end, end},
		"shutdown, close": {shutdown, end},
		"close, shutdown": {end, shutdown},
		"all at once": {func(t *testing.T, h *Hub) {
			var g sync.WaitGroup
			for range 3 {
				g.Go(func() { shutdown(t, h) })
				g.Go(func() { end(t, h) })
			}
			g.Wait()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, Options{Notify: func(event.Event) {}})
			for _, f := range ends {
				f(t, h)
			}
			_, err := h.Rooms(t.Context())
			for _, err := range []error{err, h.Kick(t.Context(), "r", "a"), h.Announce(t.Context(), "r", json.RawMessage("1"))} {
				if !errors.Is(err, ErrClosed) {
					t.Errorf("after the end: %v", err)
				}
			}
			late := connect(h)
			if err := late.Start(); !errors.Is(err, ErrClosed) {
				t.Errorf("a connection after the end: %v", err)
			}
			late.End(event.ReasonLost)
		})
	}
}

// Shutdown tells clients, and waits for them or for its context. Close cuts those that
// are left.
func TestShutdownWaits(t *testing.T) {
	h := newHub(t, Options{})
	c := connect(h)
	c.enter(t, "r", "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	done := make(chan error)
	go func() { done <- h.Shutdown(t.Context()) }()
	select {
	case err := <-done:
		t.Fatalf("ended before its connection: %v", err)
	default:
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil && !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.aborted {
		t.Error("the connection goes on")
	}
	c.End(event.ReasonLost)
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{
		{MaxRooms: -1}, {MaxRoomMembers: -1}, {ResumeWindow: -1}, {KickBan: -1}, {RateFanOut: -1}, {BurstFanOut: -1},
		{RateFanOut: 1},
	} {
		if h, err := New(o); err == nil {
			_ = h.Close()
			t.Errorf("%+v was taken", o)
		}
	}
}

// An error repeats at most 64 bytes of what a client sent.
func TestErrorsAreShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		c := connect(h)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		long := strings.Repeat("é", 30_000)
		_ = c.Refuse(ErrNotJoined, Request{Type: long, To: long, Ref: long}, long, long)
		synctest.Wait()
		if got := c.got(); len(got) > 500 || !strings.Contains(got, strings.Repeat("é", 32)) {
			t.Errorf("%d bytes: %.300s", len(got), got)
		}
		c.End(event.ReasonLost)
		_ = h.Close()
	})
}

// A call with nonsense costs its client an answer, and the hub nothing.
func TestRefuseNonsense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		c := connect(h)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		for _, r := range []*wire.Refusal{nil, {}, {Code: 200}, {Code: wire.Code(wire.NumCodes)}} {
			_ = c.Refuse(r, Request{Type: "join"}, "", "")
		}
		synctest.Wait()
		if got := c.got(); strings.Count(got, `"code":"unavailable"`) != 4 {
			t.Errorf("got %s", got)
		}
		c.End(event.ReasonLost)
		_ = h.Close()
	})
}

// Limits change while the hub runs, for what comes from then on; nobody has to leave.
func TestSetLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, Options{MaxRoomMembers: 2, KickBan: time.Hour})
		for _, id := range []string{"ann", "bob"} {
			connect(h).enter(t, "garden", id)
		}
		enters := func(room, id string) bool {
			l := connect(h)
			if err := l.Start(); err != nil {
				t.Fatal(err)
			}
			in, err := l.Join(Join{Room: room, ID: id, Welcome: []byte(`{}`)}, Request{Type: "join"})
			if err != nil {
				t.Fatal(err)
			}
			return in
		}
		if enters("garden", "cid") {
			t.Error("the room is full")
		}
		if err := h.SetLimits(Options{MaxRoomMembers: -1}); err == nil {
			t.Error("a negative limit was taken")
		}
		if enters("garden", "cid") {
			t.Error("an invalid change has changed something")
		}
		if err := h.SetLimits(Options{MaxRooms: 1, MaxRoomMembers: 3, KickBan: time.Minute}); err != nil {
			t.Fatal(err)
		}
		if !enters("garden", "cid") || enters("garden", "dan") || enters("orchard", "eve") {
			t.Error("the new limits are not in force")
		}
		if err := h.Kick(t.Context(), "garden", "cid"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute + time.Second)
		if !enters("garden", "cid") {
			t.Error("the ban lasts longer than it should now")
		}
		if err := h.SetLimits(Options{MaxRoomMembers: 1}); err != nil {
			t.Fatal(err)
		}
		if d, err := h.Room(t.Context(), "garden"); err != nil || len(d.MemberList) != 3 {
			t.Errorf("members had to leave: %+v %v", d, err)
		}
	})
}
