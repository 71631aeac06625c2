package admin

import (
	"cmp"
	_ "embed"
	"net/http"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/stats"
	"github.com/parley-rtc/parley/hub/wire"
)

//go:embed openapi.json
var openapi []byte

// description serves what describes the API.
func (a *API) description(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openapi)
}

func (a *API) config(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, a.options.Config())
}

// Status is how the server is doing. Totals count from its start.
type Status struct {
	Version     string         `json:"version"`
	Started     time.Time      `json:"started"`
	Now         time.Time      `json:"now"`
	Connections int64          `json:"connections"`
	Rooms       int64          `json:"rooms"`
	Members     int64          `json:"members"`
	Suspended   int64          `json:"suspended"` // of the members
	Calls       int64          `json:"calls"`     // that are not over
	OutboxBytes int64          `json:"outbox_bytes"`
	Messages    uint64         `json:"messages_total"`
	Refusals    uint64         `json:"refusals_total"`
	BytesIn     uint64         `json:"received_bytes_total"`
	BytesOut    uint64         `json:"sent_bytes_total"`
	Loop        Histogram      `json:"loop_seconds"`    // batches of the hub's loop
	Transit     Histogram      `json:"transit_seconds"` // of messages through the server
	HeapBytes   uint64         `json:"heap_bytes"`
	Goroutines  int            `json:"goroutines"`
	Extra       map[string]any `json:"extra,omitempty"`
}

// Histogram counts observations that are no larger than a bound.
type Histogram struct {
	Count   uint64   `json:"count"`
	Sum     float64  `json:"sum"`
	Buckets []Bucket `json:"buckets"`
}

// Bucket has the observations up to Le, with those of the buckets before it.
type Bucket struct {
	Le    float64 `json:"le"`
	Count uint64  `json:"count"`
}

func histogramOf(h *stats.Histogram) Histogram {
	out := Histogram{Buckets: []Bucket{}}
	var buckets map[float64]uint64
	out.Count, out.Sum, buckets = h.Snapshot()
	for le, n := range buckets {
		if le < 1e9 { // infinity is no JSON
			out.Buckets = append(out.Buckets, Bucket{le, n})
		}
	}
	sortBy(out.Buckets, func(a, b Bucket) int { return cmp.Compare(a.Le, b.Le) })
	return out
}

func (a *API) status(w http.ResponseWriter, _ *http.Request) {
	h, c := a.options.Hub.Stats(), &a.options.Handler.Stats
	s := Status{
		Version: a.options.Version, Started: a.options.Started.UTC(), Now: time.Now().UTC(),
		Connections: c.Connections.Load(), Rooms: h.Rooms.Load(), Members: h.Members.Load(), Suspended: h.Suspended.Load(),
		Calls: h.Calls.Active.Load(), OutboxBytes: h.OutboxBytes.Load(), BytesIn: c.BytesIn.Load(), BytesOut: c.BytesOut.Load(),
		Loop: histogramOf(&h.BatchTime), Transit: histogramOf(&h.Transit), Goroutines: runtime.NumGoroutine(),
	}
	for t := range h.Messages {
		s.Messages += h.Messages[t].Load()
	}
	for code := range h.Refusals {
		s.Refusals += h.Refusals[code].Load()
	}
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	s.HeapBytes = heap[0].Value.Uint64()
	if a.options.Extra != nil {
		s.Extra = a.options.Extra()
	}
	reply(w, http.StatusOK, s)
}

// Room is a room in a list.
type Room struct {
	Name    string    `json:"name"`
	Members int       `json:"members"`
	Locked  bool      `json:"locked"`
	Opened  time.Time `json:"opened"`
}

// Member is a member in a list.
type Member struct {
	Room      string    `json:"room"`
	ID        string    `json:"id"`
	Name      string    `json:"name,omitempty"`
	Node      string    `json:"node,omitempty"` // that it is connected to, of a cluster
	Conn      uint64    `json:"conn,omitempty"` // absent: the connection was lost
	Remote    string    `json:"remote,omitempty"`
	Joined    time.Time `json:"joined"`
	Rights    []string  `json:"rights"`
	Resumable bool      `json:"resumable"`
	Backlog   int       `json:"backlog"` // bytes that wait for it
}

// RoomDetail is a room with its members.
type RoomDetail struct {
	Room
	MemberList []Member `json:"member_list"`
}

// Connection is a connection in a list.
type Connection struct {
	Node    string    `json:"node,omitempty"` // of a cluster
	Conn    uint64    `json:"conn"`
	Remote  string    `json:"remote"`
	Opened  time.Time `json:"opened"`
	Room    string    `json:"room,omitempty"`
	ID      string    `json:"id,omitempty"`
	Backlog int       `json:"backlog"`
}

// Node is a node of the cluster.
type Node struct {
	Name        string `json:"name"`
	State       string `json:"state"`
	Self        bool   `json:"self"` // it is the one that was asked
	Partitions  int    `json:"partitions"`
	Rooms       int    `json:"rooms"`
	Members     int    `json:"members"`
	Connections int    `json:"connections"`
}

// nodes lists the nodes of the cluster: none, where there is no cluster.
func (a *API) nodes(w http.ResponseWriter, r *http.Request) {
	list := []Node{}
	if a.options.Nodes != nil {
		all, err := a.options.Nodes(r.Context())
		if err != nil {
			fail(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		for _, n := range all {
			list = append(list, Node(n))
		}
	}
	page(w, r, list, map[string]order[Node]{"": func(a, b Node) int { return cmp.Compare(a.Name, b.Name) }})
}

func roomOf(r hub.RoomInfo) Room {
	return Room{Name: r.Name, Members: r.Members, Locked: r.Locked, Opened: r.Opened.UTC()}
}

func membersOf(d *hub.RoomDetail) []Member {
	list := []Member{}
	for _, m := range d.MemberList {
		out := Member{
			Room: d.Name, ID: m.ID, Name: m.Name, Node: m.Node, Conn: m.Conn, Joined: m.Joined.UTC(),
			Rights: m.Rights.Names(), Resumable: m.Resumable, Backlog: m.Backlog,
		}
		if m.Remote.IsValid() {
			out.Remote = m.Remote.String()
		}
		list = append(list, out)
	}
	return list
}

// rooms lists rooms. Sorted by name, or with sort=members by size, largest first.
func (a *API) rooms(w http.ResponseWriter, r *http.Request) {
	all, err := a.options.Hub.Rooms(r.Context())
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	prefix, contains := r.FormValue("prefix"), r.FormValue("contains")
	list := []Room{}
	for _, one := range all {
		if strings.HasPrefix(one.Name, prefix) && strings.Contains(one.Name, contains) &&
			(r.FormValue("locked") == "" || r.FormValue("locked") == strconv.FormatBool(one.Locked)) {
			list = append(list, roomOf(one))
		}
	}
	byName := func(a, b Room) int { return cmp.Compare(a.Name, b.Name) }
	page(w, r, list, map[string]order[Room]{
		"":        byName,
		"members": func(a, b Room) int { return cmp.Or(cmp.Compare(b.Members, a.Members), byName(a, b)) },
		"opened":  func(a, b Room) int { return cmp.Or(a.Opened.Compare(b.Opened), byName(a, b)) },
	})
}

// room tells all of one room.
func (a *API) room(w http.ResponseWriter, r *http.Request) {
	name, valid := wire.NormalRoom(r.FormValue("name"))
	if !valid {
		fail(w, http.StatusBadRequest, "\"name\" is not a room's name")
		return
	}
	d, err := a.options.Hub.Room(r.Context(), name)
	switch {
	case err != nil:
		fail(w, http.StatusServiceUnavailable, err.Error())
	case d == nil:
		fail(w, http.StatusNotFound, "there is no such room")
	default:
		reply(w, http.StatusOK, RoomDetail{roomOf(d.RoomInfo), membersOf(d)})
	}
}

// connections lists connections.
func (a *API) connections(w http.ResponseWriter, r *http.Request) {
	all, err := a.options.Hub.Clients(r.Context())
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	list := []Connection{}
	for _, c := range all {
		if r.FormValue("remote") != "" && r.FormValue("remote") != c.Remote.String() ||
			r.FormValue("joined") != "" && r.FormValue("joined") != strconv.FormatBool(c.ID != "") {
			continue
		}
		list = append(list, Connection{
			Node: c.Node, Conn: c.Conn, Remote: c.Remote.String(), Opened: c.Opened.UTC(), Room: c.Room, ID: c.ID, Backlog: c.Backlog,
		})
	}
	byConn := func(a, b Connection) int { return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Conn, b.Conn)) }
	page(w, r, list, map[string]order[Connection]{
		"":        byConn,
		"backlog": func(a, b Connection) int { return cmp.Or(cmp.Compare(b.Backlog, a.Backlog), byConn(a, b)) },
	})
}
