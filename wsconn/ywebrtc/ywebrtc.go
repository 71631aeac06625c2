package ywebrtc

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn"
)

// Options say how a dialect works. The zero value is a good start.
type Options struct {
	// MaxTopics is how many topics one connection may be subscribed to; further ones are
	// ignored. The default is 256.
	MaxTopics int
	// MaxClients is how many connections may be subscribed to one topic. The default is
	// 1,000.
	MaxClients int
	// RoomPrefix begins the names of rooms; the topic follows. The default is "y-webrtc:".
	RoomPrefix string
}

const (
	defaultTopics  = 256
	defaultClients = 1000
	defaultPrefix  = "y-webrtc:"
)

// Dialect is a [wsconn.Dialect].
type Dialect struct{ options Options }

// New makes a dialect.
func New(o Options) *Dialect {
	if o.MaxTopics == 0 {
		o.MaxTopics = defaultTopics
	}
	if o.MaxClients == 0 {
		o.MaxClients = defaultClients
	}
	if o.RoomPrefix == "" {
		o.RoomPrefix = defaultPrefix
	}
	return &Dialect{o}
}

// Name implements [wsconn.Dialect].
func (*Dialect) Name() string { return "y-webrtc" }

// Rooms implements [wsconn.Dialect].
func (d *Dialect) Rooms() string { return d.options.RoomPrefix }

// Speaker implements [wsconn.Dialect]. The protocol has no place for a token: it is the
// parameter token of the URL, which clients of y-webrtc keep.
func (d *Dialect) Speaker(c *wsconn.Conn, r *http.Request) wsconn.Speaker {
	c.ChangesAtOnce(d.options.MaxTopics) // a client that hears nothing for 30 s comes again
	return &client{dialect: d, conn: c, token: strings.Clone(r.URL.Query().Get("token")), topics: map[string]*wsconn.Membership{}}
}

// hashed stands behind the prefix of a room whose topic can't be a part of a room's name. No
// other room's name goes on so: a topic that begins with it is hashed, too.
const hashed = "sha256:"

// room returns the name of a topic's room.
func (d *Dialect) room(topic string) string {
	name := d.options.RoomPrefix + topic
	if normal, ok := wire.NormalRoom(name); ok && normal == name && !startsHashed(topic) {
		return name
	}
	sum := sha256.Sum256([]byte(topic))
	return d.options.RoomPrefix + hashed + hex.EncodeToString(sum[:])
}

func startsHashed(topic string) bool {
	return len(topic) >= len(hashed) && topic[:len(hashed)] == hashed
}
