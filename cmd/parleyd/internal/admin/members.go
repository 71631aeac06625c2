package admin

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

func byRoomAndID(a, b Member) int {
	return cmp.Or(cmp.Compare(a.Room, b.Room), cmp.Compare(a.ID, b.ID))
}

func byBacklog(a, b Member) int {
	return cmp.Or(cmp.Compare(b.Backlog, a.Backlog), byRoomAndID(a, b))
}

// members lists the members of all rooms, or of one. Sorted by room and id, it asks
// the hub for those rooms alone that the page shows. Members that have to contain
// something are then counted only if one page has all of them.
func (a *API) members(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("sort") != "" {
		a.sortedMembers(w, r)
		return
	}
	limit, last, ok := window[Member](w, r)
	if !ok {
		return
	}
	rooms, err := a.roomsOf(r)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	contains := r.FormValue("contains")
	var total *int
	if contains == "" {
		total = new(int)
		for _, room := range rooms {
			*total += room.Members
		}
	}
	if last != nil {
		at, _ := slices.BinarySearchFunc(rooms, last.Room, func(room hub.RoomInfo, name string) int { return cmp.Compare(room.Name, name) })
		rooms = rooms[at:]
	}
	list, err := a.membersIn(r.Context(), rooms, contains, func(m *Member) bool { return last == nil || byRoomAndID(*m, *last) > 0 }, limit+1)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	if n := len(list); total == nil && last == nil && n <= limit {
		total = &n
	}
	replyPage(w, list, limit, total)
}

// roomsOf returns the rooms that are asked for, sorted by name.
func (a *API) roomsOf(r *http.Request) ([]hub.RoomInfo, error) {
	name := string(wire.Normal([]byte(r.FormValue("room"))))
	if name == "" {
		return a.options.Hub.Rooms(r.Context())
	}
	d, err := a.options.Hub.Room(r.Context(), name)
	if d == nil || err != nil {
		return nil, err
	}
	return []hub.RoomInfo{d.RoomInfo}, nil
}

// membersIn returns members of rooms in their order, at most so many; 0: all.
func (a *API) membersIn(ctx context.Context, rooms []hub.RoomInfo, contains string, wanted func(*Member) bool, most int) ([]Member, error) {
	list := []Member{}
	for _, room := range rooms {
		d, err := a.options.Hub.Room(ctx, room.Name)
		if err != nil {
			return nil, err
		}
		if d == nil {
			continue // it has closed meanwhile
		}
		for _, m := range membersOf(d) {
			if (strings.Contains(m.ID, contains) || strings.Contains(m.Name, contains) || strings.Contains(m.Remote, contains)) && wanted(&m) {
				list = append(list, m)
			}
		}
		if most > 0 && len(list) >= most {
			break
		}
	}
	return list, nil
}

// listingTime is how long a listing is kept for the pages that follow the first.
const listingTime = time.Minute

// listing is a list of members that took a question for each room: its further pages
// take none.
type listing struct {
	mu    sync.Mutex // guards what follows
	query string
	at    time.Time
	list  []Member
}

// sortedMembers lists members in an order that takes all of them. The pages of one
// listing come from what the hub said at the first one, for a minute.
func (a *API) sortedMembers(w http.ResponseWriter, r *http.Request) {
	orders := map[string]order[Member]{"backlog": byBacklog}
	if orders[r.FormValue("sort")] == nil {
		page(w, r, nil, orders) // says what is wrong
		return
	}
	list, err := a.listed(r)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	page(w, r, list, orders)
}

// listed returns all members that a request asks for: those of the listing that it
// goes on with, or of a new one. The caller may change the order.
func (a *API) listed(r *http.Request) ([]Member, error) {
	l := &a.listing
	query := r.FormValue("room") + "\x00" + r.FormValue("contains")
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.FormValue("cursor") != "" && l.query == query && time.Since(l.at) < listingTime {
		return slices.Clone(l.list), nil
	}
	rooms, err := a.roomsOf(r)
	if err != nil {
		return nil, err
	}
	list, err := a.membersIn(r.Context(), rooms, r.FormValue("contains"), func(*Member) bool { return true }, 0)
	if err != nil {
		return nil, err
	}
	l.query, l.at, l.list = query, time.Now(), list
	return slices.Clone(list), nil
}
