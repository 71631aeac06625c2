package peerjs

import (
	"net/http"
	"strings"
	"time"

	"github.com/parley-rtc/parley/wsconn"
)

// Options say how a dialect works. The zero value is a good start.
type Options struct {
	// Keys are the keys that are taken. Empty: all are.
	Keys []string
	// NoTokens says that the gate reads no tokens. Then any text is the secret of the client
	// that has made it up, even if it looks like a JWT.
	NoTokens bool
	// Discovery lets anybody list the ids of all peers of a key.
	Discovery bool
	// Expire is how long a message waits for an absent peer. The default is 5 s.
	Expire time.Duration
	// RoomPrefix begins the names of rooms; the key follows. The default is "peerjs:".
	RoomPrefix string
}

// Dialect is a [wsconn.Dialect].
type Dialect struct{ options Options }

const (
	defaultExpire = 5 * time.Second
	defaultPrefix = "peerjs:"
)

// New makes a dialect.
func New(o Options) *Dialect {
	if o.Expire == 0 {
		o.Expire = defaultExpire
	}
	if o.RoomPrefix == "" {
		o.RoomPrefix = defaultPrefix
	}
	return &Dialect{o}
}

// Name implements [wsconn.Dialect].
func (*Dialect) Name() string { return "peerjs" }

// Rooms implements [wsconn.Dialect].
func (d *Dialect) Rooms() string { return d.options.RoomPrefix }

// Speaker implements [wsconn.Dialect].
func (d *Dialect) Speaker(c *wsconn.Conn, r *http.Request) wsconn.Speaker {
	q := r.URL.Query()
	return newPeer(d, c, last(q["key"]), last(q["id"]), last(q["token"]))
}

// last returns the last of several values, as PeerServer does. It keeps nothing of the others.
func last(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return strings.Clone(values[len(values)-1])
}

func (d *Dialect) takes(key string) bool {
	if len(d.options.Keys) == 0 {
		return true
	}
	for _, k := range d.options.Keys {
		if k == key {
			return true
		}
	}
	return false
}

// isJWT reports whether a token could be one that the gate knows how to read. PeerJS makes
// up a token where the page gives none.
func isJWT(token string) bool { return strings.Count(token, ".") == 2 }
