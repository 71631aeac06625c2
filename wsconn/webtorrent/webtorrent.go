package webtorrent

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/wsconn"
)

// Swarms tells what is in rooms. A [*hub.Hub] does.
type Swarms interface {
	// Count returns how many members a room has, and how many of them have a profile.
	Count(ctx context.Context, room string, meta json.RawMessage) (members, alike int, err error)
	Rooms(ctx context.Context) ([]hub.RoomInfo, error)
	Room(ctx context.Context, name string) (*hub.RoomDetail, error)
}

// Options say how a dialect works. Those that are zero have their defaults.
type Options struct {
	// Interval is how often clients are asked to announce. The default is 2 min.
	Interval time.Duration
	// MaxSwarms is how many peers in swarms one connection may be. The default is 256.
	MaxSwarms int
	// MaxOffers is how many offers of one announce are passed on. The default is 20.
	MaxOffers int
	// MaxPeers is how many peers a swarm may have. The default is 1,000.
	MaxPeers int
	// RoomPrefix begins the names of rooms; the info hash follows. The default is
	// "webtorrent:".
	RoomPrefix string
}

const (
	defaultInterval = 2 * time.Minute
	defaultSwarms   = 256
	defaultOffers   = 20
	defaultPeers    = 1000
	defaultPrefix   = "webtorrent:"

	// maxAlike is how many peers of one swarm a connection may be: programs of one page share
	// a connection, and one client must not fill a swarm.
	maxAlike = 8

	// maxScrape is how many swarms one scrape may ask for.
	maxScrape = 64

	// scrapeIntervals is how many announce intervals there should be between two scrapes.
	scrapeIntervals = 5
)

// Dialect is a [wsconn.Dialect].
type Dialect struct {
	options Options
	swarms  Swarms
	stats   statsCache
}

// New makes a dialect.
func New(swarms Swarms, o Options) *Dialect {
	if o.Interval == 0 {
		o.Interval = defaultInterval
	}
	if o.MaxSwarms == 0 {
		o.MaxSwarms = defaultSwarms
	}
	if o.MaxOffers == 0 {
		o.MaxOffers = defaultOffers
	}
	if o.MaxPeers == 0 {
		o.MaxPeers = defaultPeers
	}
	if o.RoomPrefix == "" {
		o.RoomPrefix = defaultPrefix
	}
	return &Dialect{options: o, swarms: swarms}
}

// Name implements [wsconn.Dialect].
func (*Dialect) Name() string { return "webtorrent" }

// Rooms implements [wsconn.Dialect].
func (d *Dialect) Rooms() string { return d.options.RoomPrefix }

// Speaker implements [wsconn.Dialect]. The protocol has no place for a token: it is the
// parameter token of the URL, which clients keep.
func (d *Dialect) Speaker(c *wsconn.Conn, r *http.Request) wsconn.Speaker {
	return &client{dialect: d, conn: c, token: strings.Clone(r.URL.Query().Get("token")), peers: map[peerKey]*peer{}}
}

func (d *Dialect) room(h hash) string { return d.options.RoomPrefix + h.hex() }

// seconds is the announce interval, and how often a client may scrape.
func (d *Dialect) seconds() (announce, scrape int64) {
	n := int64((d.options.Interval + time.Second - 1) / time.Second)
	return n, n * scrapeIntervals
}
