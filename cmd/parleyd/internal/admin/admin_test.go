package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// Only the token of the scheme Bearer lets in.
func TestGuard(t *testing.T) {
	a := New(Options{Token: func() []byte { return []byte("open sesame") }})
	guarded := a.Guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for header, want := range map[string]int{
		"": 401, "open sesame": 401, "Bearer": 401, "Bearer ": 401, "Bearer wrong": 401, "Basic open sesame": 401,
		"Bearer open sesame": 200, "bearer open sesame": 200,
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil)
		r.Header.Set("Authorization", header)
		if guarded.ServeHTTP(w, r); w.Code != want {
			t.Errorf("%q: %d, want %d", header, w.Code, want)
		}
	}
}

type others interface{ Rooms }

// rooms are so many rooms r000, r001, … with members a, b and c, and count questions.
type rooms struct {
	others
	n       int
	asked   int
	refusal error
}

func (r *rooms) Rooms(context.Context) (list []hub.RoomInfo, err error) {
	for i := range r.n {
		list = append(list, hub.RoomInfo{Name: fmt.Sprintf("r%03d", i), Members: 3})
	}
	return list, nil
}

func (r *rooms) Room(_ context.Context, name string) (*hub.RoomDetail, error) {
	r.asked++
	if name > fmt.Sprintf("r%03d", r.n-1) {
		return nil, nil
	}
	d := &hub.RoomDetail{RoomInfo: hub.RoomInfo{Name: name, Members: 3}}
	for i, id := range []string{"a", "b", "c"} {
		d.MemberList = append(d.MemberList, hub.MemberInfo{ID: id, Name: name + id, Backlog: i})
	}
	return d, nil
}

func (r *rooms) Kick(context.Context, string, string) error { return r.refusal }
func (r *rooms) Lock(context.Context, string) error         { return r.refusal }
func (r *rooms) CloseRoom(context.Context, string) error    { return r.refusal }

// list returns all members that a query lists, as room/id, and the questions that
// each page took.
func list(t *testing.T, a *API, hub *rooms, query url.Values) (members []string, asked []int, total *int) {
	t.Helper()
	for {
		before := hub.asked
		w := httptest.NewRecorder()
		a.Routes().ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/members?"+query.Encode(), nil))
		if w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		var p Page[Member]
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		for _, m := range p.Items {
			members = append(members, m.Room+"/"+m.ID)
		}
		asked, total = append(asked, hub.asked-before), p.Total
		if p.Next == "" {
			return members, asked, total
		}
		query.Set("cursor", p.Next)
	}
}

// A page of members takes a question for each room that it shows, not for each that
// there is; all pages together have each member once.
func TestMembers(t *testing.T) {
	hub := &rooms{n: 200}
	a := New(Options{Hub: hub})
	members, asked, total := list(t, a, hub, url.Values{"limit": {"10"}})
	if len(members) != 600 || !slices.IsSorted(members) || len(slices.Compact(members)) != 600 || total == nil || *total != 600 {
		t.Errorf("%d members, total %v", len(members), total)
	}
	if most := slices.Max(asked); most > 5 {
		t.Errorf("a page took %d questions", most)
	}
	members, asked, total = list(t, a, hub, url.Values{"limit": {"10"}, "contains": {"b"}})
	if len(members) != 200 || total != nil || slices.Max(asked) > 12 {
		t.Errorf("%d members that contain b, total %v, %d questions", len(members), total, slices.Max(asked))
	}
	members, asked, total = list(t, a, hub, url.Values{"limit": {"2"}, "room": {"r007"}})
	if strings.Join(members, " ") != "r007/a r007/b r007/c" || *total != 3 {
		t.Errorf("%q, total %d, %d questions", members, *total, asked)
	}
	if members, _, total = list(t, a, hub, url.Values{"contains": {"r042"}}); len(members) != 3 || total == nil || *total != 3 {
		t.Errorf("%q, total %v", members, total)
	}
	if members, _, _ = list(t, a, hub, url.Values{"room": {"x"}}); len(members) != 0 {
		t.Errorf("%q", members)
	}
}

// An unknown order costs the hub nothing.
func TestMembersInAnUnknownOrder(t *testing.T) {
	hub := &rooms{n: 50}
	w := httptest.NewRecorder()
	New(Options{Hub: hub}).Routes().ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/members?sort=age", nil))
	if w.Code != http.StatusBadRequest || hub.asked != 0 {
		t.Errorf("%d, %d questions", w.Code, hub.asked)
	}
}

// An order that takes all members asks for them once, not for each page, and anew
// for the next listing.
func TestMembersByBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &rooms{n: 50}
		a := New(Options{Hub: hub})
		query := func() url.Values { return url.Values{"sort": {"backlog"}, "limit": {"40"}} }
		members, _, total := list(t, a, hub, query())
		if len(members) != 150 || members[0] != "r000/c" || members[149] != "r049/a" || *total != 150 {
			t.Errorf("%d members, total %d", len(members), *total)
		}
		if hub.asked != 50 {
			t.Errorf("%d questions for four pages", hub.asked)
		}
		q := query()
		q.Set("contains", "b")
		if members, _, _ = list(t, a, hub, q); len(members) != 50 || hub.asked != 100 {
			t.Errorf("another listing: %d members, %d questions", len(members), hub.asked)
		}
		time.Sleep(listingTime)
		if list(t, a, hub, q); hub.asked != 150 {
			t.Errorf("a page a minute later: %d questions", hub.asked)
		}
	})
}

// An order's line has the operator's address without a port, and no empty fields.
func TestOrderIsLogged(t *testing.T) {
	core, logged := observer.New(zap.InfoLevel)
	hub := new(rooms)
	a := New(Options{Hub: hub, Logger: zap.New(core), Drain: func() {}})
	order := func(path, body string) string {
		w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "/api/v1/"+path, strings.NewReader(body))
		r.RemoteAddr = "[2001:db8::1]:4711"
		a.Routes().ServeHTTP(w, r)
		return strings.TrimSpace(w.Body.String())
	}
	order("kick", `{"room":"garden","id":"bob"}`)
	order("lock", `{"room":"garden"}`)
	order("drain", "")
	for i, want := range []map[string]any{
		{"order": "kick", "remote": "2001:db8::1", "room": "garden", "id": "bob"},
		{"order": "lock", "remote": "2001:db8::1", "room": "garden"},
		{"order": "drain", "remote": "2001:db8::1"},
	} {
		if got := logged.All()[i].ContextMap(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	hub.refusal = &wire.Refusal{Code: wire.CodeTargetNotFound, Text: "there is no such room"}
	if got, want := order("lock", `{"room":"garden"}`), `{"error":"there is no such room"}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := order("message", "{\"room\":\"garden\",\"data\":\"Pr\xfcfung\"}"); !strings.Contains(got, "not UTF-8") {
		t.Errorf("a message in Latin-1: %s", got)
	}
}
