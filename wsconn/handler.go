package wsconn

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn/limit"
)

// Subprotocol is selected when a client offers it; it is never required.
const Subprotocol = "parley.v1"

// Stats are counters that may be read at any time.
type Stats struct {
	Connections atomic.Int64  // open now
	Refused     atomic.Uint64 // upgrades that were refused
	BytesIn     atomic.Uint64 // read from connections, WebSocket headers included
	BytesOut    atomic.Uint64 // written to connections, WebSocket headers included
	Closes      CloseCounts
}

// Handler upgrades requests to connections of one hub.
type Handler struct {
	// Stats counts what connections do.
	Stats Stats

	hub       *hub.Hub
	options   atomic.Pointer[Options] // with defaults; never changed, only replaced
	log       *zap.Logger
	started   time.Time
	numbers   atomic.Uint64
	draining  atomic.Bool
	writers   writers
	deep      deepStacks
	addresses *limit.Addresses
	reserved  atomic.Pointer[[]string] // prefixes of the names of dialects' rooms; never changed, only replaced
}

// NewHandler makes a handler for the clients of h. The error names the option that is
// invalid.
func NewHandler(h *hub.Hub, o Options) (*Handler, error) {
	if h == nil {
		return nil, errors.New("wsconn: NewHandler needs a hub")
	}
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	hd := &Handler{hub: h, log: o.Logger, started: time.Now(), addresses: limit.New(o.PerAddress)}
	hd.options.Store(&o)
	hd.writers.init()
	return hd, nil
}

// Configure replaces the options, all at once. AllowOrigins, MaxConnections, PerAddress,
// Proxies, Gate and ICEServers are those of now for everybody; the others are for
// connections that come from now on. Logger stays as it is. The error names the option
// that is invalid: then nothing changes.
func (h *Handler) Configure(o Options) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	h.addresses.Configure(o.PerAddress)
	h.options.Store(&o)
	return nil
}

// Shutdown refuses new connections with 503, closes those of the hub with 1001, waits
// until they have ended, and ends the hub. If ctx is done first, Shutdown returns its
// error; then call [Handler.Close]. Both may be called more than once and in any order.
func (h *Handler) Shutdown(ctx context.Context) error {
	h.draining.Store(true)
	if err := h.hub.Shutdown(ctx); err != nil {
		return err
	}
	return h.wait(ctx)
}

// Close refuses new connections with 503 and ends the hub and its connections at
// once, see [hub.Hub.Close]. It does not wait for calls of the [Gate] that are under
// way; their contexts are done. The error is always nil.
func (h *Handler) Close() error {
	h.draining.Store(true)
	return h.hub.Close()
}

// endPoll is the time between two looks at whether all connections have ended.
const endPoll = 5 * time.Millisecond

// wait waits until all connections have ended: those that were let in just before
// may not have been with the hub yet.
func (h *Handler) wait(ctx context.Context) error {
	tick := time.NewTicker(endPoll)
	defer tick.Stop()
	for h.Stats.Connections.Load() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// ServeHTTP upgrades the request and returns. The connection continues on goroutines of
// its own.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.serve(w, r, nil) }

// serve upgrades the request to a connection that speaks a dialect; nil: version 1.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, d *DialectHandler) {
	address := h.options.Load().Proxies.Of(r)
	if refused := h.checkRequest(w, r); refused != nil {
		http.Error(w, refused.text, refused.status)
		h.logRefused(r, address, refused.status, refused.reason)
		return
	}
	if status, reason := h.admit(address); reason != "" {
		w.Header().Set("Retry-After", "5")
		http.Error(w, http.StatusText(status), status)
		h.logRefused(r, address, status, reason)
		return
	}
	t := &takeover{ResponseWriter: w}
	accept := &websocket.AcceptOptions{InsecureSkipVerify: true} // checkRequest has looked at the origin
	if d == nil {
		accept.Subprotocols = []string{Subprotocol}
	}
	shaken, err := websocket.Accept(t, r, accept)
	if err != nil {
		h.dismiss(address)
		h.logRefused(r, address, t.status, refusedHandshake)
		if t.conn != nil {
			_ = t.conn.Close()
		}
		return
	}
	_ = shaken.CloseNow() // of the connection that does nothing: it is garbage now
	if d == nil {
		h.start(t.conn, t.early, address)
		return
	}
	h.startTalk(t.conn, t.early, address, func(c *conn) *Conn { return d.talk(c, r) })
}

// admit counts a new connection, or returns why it is refused: the HTTP status
// and the reason. An admitted connection must be dismissed in the end.
func (h *Handler) admit(address netip.Addr) (status int, reason string) {
	if h.draining.Load() {
		return http.StatusServiceUnavailable, refusedDraining
	}
	n := h.Stats.Connections.Add(1)
	if most := h.options.Load().MaxConnections; most > 0 && n > int64(most) {
		h.Stats.Connections.Add(-1)
		return http.StatusServiceUnavailable, refusedMaxConnections
	}
	if !h.addresses.Connect(address, time.Now()) {
		h.Stats.Connections.Add(-1)
		return http.StatusTooManyRequests, refusedAddressLimit
	}
	return 0, ""
}

func (h *Handler) dismiss(address netip.Addr) {
	h.addresses.Disconnect(address)
	h.Stats.Connections.Add(-1)
}

func (h *Handler) logRefused(r *http.Request, address netip.Addr, status int, reason string) {
	h.Stats.Refused.Add(1)
	h.log.Info(EventUpgradeRefused,
		zap.Stringer(event.FieldRemote, address),
		zap.Int(event.FieldCode, status),
		zap.String(event.FieldReason, reason),
		zap.String(FieldOrigin, short(r.Header.Get("Origin"))),
		zap.String(FieldHost, short(r.Host)),
	)
}

// CloseCounts counts ended connections by close code: the server's if it closed the
// connection, else the client's, else 1006.
type CloseCounts struct {
	codes [len(closeCodes) + 1]atomic.Uint64
}

// closeCodes are those counted by themselves; all others count as one.
var closeCodes = [...]wire.CloseCode{
	wire.CloseNormal, wire.CloseGoingAway, wire.CloseProtocolError, wire.CloseUnsupportedData,
	wire.CloseNoStatus, wire.CloseAbnormal, wire.CloseInvalidUTF8, wire.CloseTooBig, wire.CloseInternalError,
	wire.CloseReplaced, wire.CloseKicked, wire.CloseSlowConsumer, wire.CloseRateLimit,
	wire.CloseNoJoin, wire.CloseTokenExpired,
}

func (c *CloseCounts) add(code wire.CloseCode) {
	for i, known := range closeCodes {
		if code == known {
			c.codes[i].Add(1)
			return
		}
	}
	c.codes[len(closeCodes)].Add(1)
}

// Each calls f with every code and its count. All codes that are neither the protocol's
// nor usual count as "other".
func (c *CloseCounts) Each(f func(code string, n uint64)) {
	for i, code := range closeCodes {
		f(code.String(), c.codes[i].Load())
	}
	f("other", c.codes[len(closeCodes)].Load())
}
