// Package admin serves operators: an API (see openapi.json) to look
// at rooms, members, connections and calls and to act on them, and a page that uses it.
// Its answers come from the hub by commands, a slice at a time.
package admin

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/cluster"
	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/stats"
	"github.com/parley-rtc/parley/wsconn"
)

// Options are what an [API] serves.
type Options struct {
	Hub     Rooms
	Nodes   func(context.Context) ([]cluster.NodeInfo, error) // nil: there is only one
	Handler *wsconn.Handler
	Version string
	Started time.Time
	Config  func() map[string]any // settings in force, without secrets
	Drain   func()                // begins the end; returns at once
	// Reload reads the settings again. It returns the names of those that were taken over,
	// and of those that need a restart, or an error: then nothing has changed.
	Reload func() (taken, restart []string, err error)
	Extra  func() map[string]any // further figures for the status; nil: none
	Token  func() []byte         // that requests must have; nil or none returned: none
	Logger *zap.Logger
}

// Rooms is what an API looks at and acts on: a [hub.Hub].
type Rooms interface {
	Stats() *stats.Hub
	Rooms(context.Context) ([]hub.RoomInfo, error)
	Room(ctx context.Context, name string) (*hub.RoomDetail, error)
	Clients(context.Context) ([]hub.ClientInfo, error)
	Calls(context.Context) ([]event.Call, error)
	Call(ctx context.Context, id string) (*event.Call, error)
	Kick(ctx context.Context, room, id string) error
	Lock(ctx context.Context, room string) error
	Unlock(ctx context.Context, room string) error
	CloseRoom(ctx context.Context, room string) error
	Announce(ctx context.Context, room string, data json.RawMessage) error
}

// API answers requests for the admin listener.
type API struct {
	options Options
	listing listing // of members in another order than that of rooms
}

// New makes an API.
func New(o Options) *API {
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	return &API{options: o}
}

// EventOrder is logged for every order that was given: order, remote; room and id
// where it has them.
const EventOrder = "admin order"

// Routes returns what serves the API and the page. Other handlers for the admin
// listener can be put into the same care with Guard.
func (a *API) Routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/openapi.json", a.description)
	mux.HandleFunc("GET /api/v1/status", a.status)
	mux.HandleFunc("GET /api/v1/config", a.config)
	mux.HandleFunc("GET /api/v1/nodes", a.nodes)
	mux.HandleFunc("GET /api/v1/rooms", a.rooms)
	mux.HandleFunc("GET /api/v1/room", a.room)
	mux.HandleFunc("GET /api/v1/members", a.members)
	mux.HandleFunc("GET /api/v1/connections", a.connections)
	mux.HandleFunc("GET /api/v1/calls", a.calls)
	mux.HandleFunc("GET /api/v1/call", a.call)
	mux.HandleFunc("POST /api/v1/kick", a.kick)
	mux.HandleFunc("POST /api/v1/lock", a.lock)
	mux.HandleFunc("POST /api/v1/unlock", a.unlock)
	mux.HandleFunc("POST /api/v1/close", a.closeRoom)
	mux.HandleFunc("POST /api/v1/message", a.message)
	mux.HandleFunc("POST /api/v1/drain", a.drain)
	mux.HandleFunc("POST /api/v1/reload", a.reload)
	return mux
}

// Guard lets requests through to next that have the token. Where there is none it
// keeps out what a page from elsewhere has the browser of an operator do: requests
// across origins, and requests to this machine under a name that was made to point
// at it.
func (a *API) Guard(next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := a.token()
		if token == nil {
			if !isLocalName(r.Host) {
				fail(w, http.StatusForbidden, "without an admin token this listener answers to addresses and localhost only")
				return
			}
			next.ServeHTTP(w, r)
			return
		}
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare([]byte(given), token) == 0 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			fail(w, http.StatusUnauthorized, "the admin token is missing or wrong")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// token returns the one that requests must have; nil: none.
func (a *API) token() []byte {
	if a.options.Token == nil {
		return nil
	}
	return a.options.Token()
}

// isLocalName reports whether a Host header is an address or localhost: names that
// nobody else can make point here.
func isLocalName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || host == "localhost"
}

// Failure is the body of an error answer.
type Failure struct {
	Error string `json:"error"`
}

func fail(w http.ResponseWriter, status int, text string) { reply(w, status, Failure{text}) }

// reply answers with JSON.
func reply(w http.ResponseWriter, status int, body any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // an error means that the client has gone
}
