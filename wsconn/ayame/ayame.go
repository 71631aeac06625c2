package ayame

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/parley-rtc/parley/wsconn"
)

// Options say how a dialect works. The zero value is a good start.
type Options struct {
	// Webhook is asked about each client after the gate has let it in, and told when it has
	// gone; nil: nobody is.
	Webhook Webhook
	// Ping is the time between two ping messages, and PongTimeout how long a client may
	// take to answer one. The defaults are Ayame's: 5 s and 60 s.
	Ping, PongTimeout time.Duration
	// RoomPrefix begins the names of rooms; the room id follows. The default is "ayame:".
	RoomPrefix string
}

// Webhook is the application of an Ayame server.
type Webhook interface {
	// Authn decides on a client. An error is answered with InternalServerError.
	Authn(ctx context.Context, q *Question) (*Answer, error)
	// Gone is told that a client has gone that was let in. It must not block.
	Gone(g Gone)
}

// Question is what a webhook is asked about a client, as it stands in the request.
type Question struct {
	RoomID        string          `json:"roomId"`
	ClientID      string          `json:"clientId"`
	ConnectionID  string          `json:"connectionId"`
	SignalingKey  *string         `json:"signalingKey,omitempty"`
	AuthnMetadata json.RawMessage `json:"authnMetadata,omitempty"`
	AyameClient   *string         `json:"ayameClient,omitempty"`
	Libwebrtc     *string         `json:"libwebrtc,omitempty"`
	Environment   *string         `json:"environment,omitempty"`
}

// Answer is what a webhook decides, as it stands in the response. A refusal needs a reason.
type Answer struct {
	Allowed       *bool           `json:"allowed"`
	Reason        *string         `json:"reason"`
	ICEServers    json.RawMessage `json:"iceServers"`
	AuthzMetadata json.RawMessage `json:"authzMetadata"`
}

// Gone is what a webhook is told of a client that has gone.
type Gone struct {
	RoomID       string `json:"roomId"`
	ClientID     string `json:"clientId"`
	ConnectionID string `json:"connectionId"`
}

// Dialect is a [wsconn.Dialect].
type Dialect struct{ options Options }

const (
	defaultPing        = 5 * time.Second
	defaultPongTimeout = 60 * time.Second
	defaultPrefix      = "ayame:"
)

// New makes a dialect.
func New(o Options) *Dialect {
	if o.Ping == 0 {
		o.Ping = defaultPing
	}
	if o.PongTimeout == 0 {
		o.PongTimeout = defaultPongTimeout
	}
	if o.RoomPrefix == "" {
		o.RoomPrefix = defaultPrefix
	}
	return &Dialect{o}
}

// Name implements [wsconn.Dialect].
func (*Dialect) Name() string { return "ayame" }

// Rooms implements [wsconn.Dialect].
func (d *Dialect) Rooms() string { return d.options.RoomPrefix }

// Speaker implements [wsconn.Dialect].
func (d *Dialect) Speaker(c *wsconn.Conn, _ *http.Request) wsconn.Speaker {
	return &client{options: &d.options, conn: c}
}
