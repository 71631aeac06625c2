package wsconn

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn/limit"
)

// Subprotocol is selected when a client offers it; it is never required.
const Subprotocol = "parley.v1"

// Options are the limits of connections. DefaultOptions returns those of the
// daemon.
type Options struct {
	// AllowOrigins are patterns of hosts (path.Match; with "://" of scheme and
	// host) whose pages may connect besides those of the same origin.
	AllowOrigins []string

	MaxMessageBytes int // of one message; over it the connection is closed with 1009; at least 1
	MaxConnections  int // at one time; past it an upgrade gets 503; 0: no limit
	QueueBytes      int // outbox of one connection; when it overflows, 4003; at least 1

	// Rate is the messages a second that one connection may send, Burst how many
	// at once. Over it messages are refused, and 10 s of refusals on end close the
	// connection with 4005. 0: no limit.
	Rate, Burst int

	// PerAddress limits what one client address may do.
	PerAddress limit.Options

	PingInterval time.Duration // between WebSocket pings; 0: none are sent
	PingTimeout  time.Duration // for the answer to one
	JoinTimeout  time.Duration // without a room, then 4007; 0: no limit

	// Gate decides who may join; nil: everybody may, under any id.
	Gate Gate

	// ICEServers returns the JSON array of RTCIceServer objects for the member
	// with this id; nil: there are none. It must not block.
	ICEServers func(id string) json.RawMessage

	Logger *zap.Logger // events of connections; nil: none. Its core must not block.
}

// DefaultOptions returns the daemon's defaults.
func DefaultOptions() Options {
	return Options{
		MaxMessageBytes: 64 << 10,
		QueueBytes:      1 << 20,
		Rate:            200,
		Burst:           1000,
		PingInterval:    25 * time.Second,
		PingTimeout:     10 * time.Second,
		JoinTimeout:     30 * time.Second,
	}
}

// Stats are counters that may be read at any time.
type Stats struct {
	Connections atomic.Int64  // open now
	Refused     atomic.Uint64 // upgrades that were refused
	BytesIn     atomic.Uint64 // read from connections, WebSocket headers included
	BytesOut    atomic.Uint64 // written to connections, WebSocket headers included
	Closes      CloseCounts
}

// Hub is what connections give their commands to: a [hub.Hub], or a node of several
// that are one server.
type Hub interface {
	Do(hub.Command) error
	Drain(context.Context) error
	Closed() <-chan struct{}
	Counters() *hub.Stats
	Resumes() bool
	NewSession(room string) string
	RefuseNow(*hub.Client, *wire.Refusal, wire.Refused) bool
	Acknowledged(*hub.Client)
}

// Handler upgrades requests to connections of one hub.
type Handler struct {
	// Stats counts what connections do.
	Stats Stats

	hub       Hub
	options   Options
	log       *zap.Logger
	started   time.Time
	numbers   atomic.Uint64
	draining  atomic.Bool
	writers   writers
	addresses *limit.Addresses
}

// NewHandler makes a handler for h's clients.
func NewHandler(h Hub, o Options) *Handler {
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.Gate == nil {
		o.Gate = openGate{}
	}
	hd := &Handler{hub: h, options: o, log: o.Logger, started: time.Now(), addresses: limit.New(o.PerAddress)}
	hd.writers.init()
	return hd
}

// Drain refuses new connections from now on, closes all that there are with
// 1001, and returns when they are gone or ctx is done.
func (h *Handler) Drain(ctx context.Context) error {
	h.draining.Store(true)
	if err := h.hub.Drain(ctx); err != nil {
		return err
	}
	// Those that were let in just before may not have been with the hub yet.
	tick := time.NewTicker(drainPoll)
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

// drainPoll is the time between two looks at whether all connections have ended.
const drainPoll = 5 * time.Millisecond

// ServeHTTP upgrades the request and returns; the connection goes on.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	address := h.addresses.Of(r)
	if status, reason := h.admit(address); reason != "" {
		w.Header().Set("Retry-After", "5")
		http.Error(w, http.StatusText(status), status)
		h.logRefused(r, address, status, reason)
		return
	}
	t := &takeover{ResponseWriter: w}
	shaken, err := websocket.Accept(t, r, &websocket.AcceptOptions{
		Subprotocols:   []string{Subprotocol},
		OriginPatterns: h.options.AllowOrigins,
	})
	if err != nil {
		h.dismiss(address)
		h.logRefused(r, address, t.status, "handshake")
		if t.conn != nil {
			_ = t.conn.Close()
		}
		return
	}
	_ = shaken.CloseNow() // of the connection that does nothing: it is garbage now
	h.start(t.conn, t.early, address)
}

// admit counts a connection that is to be, or says why it may not: the HTTP status
// and the reason. An admitted connection must be dismissed in the end.
func (h *Handler) admit(address netip.Addr) (status int, reason string) {
	if h.draining.Load() {
		return http.StatusServiceUnavailable, "draining"
	}
	n := h.Stats.Connections.Add(1)
	if most := h.options.MaxConnections; most > 0 && n > int64(most) {
		h.Stats.Connections.Add(-1)
		return http.StatusServiceUnavailable, "max_connections"
	}
	if !h.addresses.Connect(address, time.Now()) {
		h.Stats.Connections.Add(-1)
		return http.StatusTooManyRequests, "address_limit"
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
		zap.Stringer(hub.FieldRemote, address),
		zap.Int(hub.FieldCode, status),
		zap.String(hub.FieldReason, reason),
		zap.String(FieldOrigin, r.Header.Get("Origin")),
	)
}

// CloseCounts counts ended connections by close code: the server's own where it
// closed, else the client's, else 1006.
type CloseCounts struct {
	codes [len(closeCodes) + 1]atomic.Uint64
}

// closeCodes are those counted by themselves; all others count as one.
var closeCodes = [...]wire.CloseCode{
	wire.CloseNormal, wire.CloseGoingAway, wire.CloseProtocolError, wire.CloseUnsupportedData,
	wire.CloseNoStatus, wire.CloseAbnormal, wire.CloseInvalidUTF8, wire.CloseTooBig,
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

// Each calls f for every code and how often it was counted; code is "other" for
// the codes that no server or browser sends by itself.
func (c *CloseCounts) Each(f func(code string, n uint64)) {
	for i, code := range closeCodes {
		f(code.String(), c.codes[i].Load())
	}
	f("other", c.codes[len(closeCodes)].Load())
}
