package webtorrent

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// Stats are figures of all swarms, in the form of bittorrent-tracker's.
type Stats struct {
	Torrents              int            `json:"torrents"`
	ActiveTorrents        int            `json:"activeTorrents"`
	PeersAll              int            `json:"peersAll"`
	PeersSeederOnly       int            `json:"peersSeederOnly"`
	PeersLeecherOnly      int            `json:"peersLeecherOnly"`
	PeersSeederAndLeecher int            `json:"peersSeederAndLeecher"`
	PeersIPv4             int            `json:"peersIPv4"`
	PeersIPv6             int            `json:"peersIPv6"`
	Clients               map[string]any `json:"clients"` // empty: which programs peers are is not told
}

// statsCache keeps figures for a while, or that there were none: they are of all swarms, and
// anybody may ask.
type statsCache struct {
	flight singleflight.Group

	mu   sync.Mutex // guards what follows
	last Stats
	err  error
	at   time.Time
}

// statsAge is how old figures may be, and statsTime how long counting may take.
const (
	statsAge  = 10 * time.Second
	statsTime = 10 * time.Second
)

func (c *statsCache) fresh() (s Stats, ok bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last, !c.at.IsZero() && time.Since(c.at) < statsAge, c.err
}

// Stats returns figures, or an error, that are at most 10 s old. Whoever asks meanwhile waits for the same
// count, which goes on when nobody does any more.
func (d *Dialect) Stats(ctx context.Context) (Stats, error) {
	c := &d.stats
	if s, ok, err := c.fresh(); ok {
		return s, err
	}
	counted := c.flight.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), statsTime)
		defer cancel()
		s, err := d.count(ctx)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.last, c.err, c.at = s, err, time.Now()
		return s, err
	})
	select {
	case r := <-counted:
		s, _ := r.Val.(Stats)
		return s, r.Err
	case <-ctx.Done():
		return Stats{}, ctx.Err()
	}
}

// seen is what one peer is, in all swarms.
type seen struct{ seeds, leeches, v4, v6 bool }

func (d *Dialect) count(ctx context.Context) (s Stats, err error) {
	s.Clients = map[string]any{}
	rooms, err := d.swarms.Rooms(ctx)
	if err != nil {
		return s, err
	}
	peers := map[string]*seen{}
	for _, r := range rooms {
		if !strings.HasPrefix(r.Name, d.options.RoomPrefix) {
			continue
		}
		room, err := d.swarms.Room(ctx, r.Name)
		if err != nil {
			return s, err
		}
		if room == nil {
			continue
		}
		s.Torrents++
		s.ActiveTorrents++
		for _, m := range room.MemberList {
			p := peers[m.ID]
			if p == nil {
				p = new(seen)
				peers[m.ID] = p
			}
			complete := string(m.Meta) == string(isComplete)
			p.seeds, p.leeches = p.seeds || complete, p.leeches || !complete
			p.v4, p.v6 = p.v4 || m.Remote.Unmap().Is4(), p.v6 || m.Remote.Unmap().Is6()
		}
	}
	for _, p := range peers {
		s.add(p)
	}
	return s, nil
}

func (s *Stats) add(p *seen) {
	s.PeersAll++
	switch {
	case p.seeds && p.leeches:
		s.PeersSeederAndLeecher++
	case p.seeds:
		s.PeersSeederOnly++
	default:
		s.PeersLeecherOnly++
	}
	if p.v4 {
		s.PeersIPv4++
	}
	if p.v6 {
		s.PeersIPv6++
	}
}

// ServeStats answers with the figures: as JSON if the path ends in .json or the client asks for
// nothing else, or as a page.
func (d *Dialect) ServeStats(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET", http.StatusMethodNotAllowed)
		return
	}
	s, err := d.Stats(r.Context())
	if err != nil {
		http.Error(w, "the swarms are not known at the moment", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	if strings.HasSuffix(r.URL.Path, ".json") || r.Header.Get("Accept") == "application/json" {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Tracker</title>
<h1>%d torrents (%d active)</h1>
<h2>Connected Peers: %d</h2>
<h3>Peers Seeding Only: %d</h3>
<h3>Peers Leeching Only: %d</h3>
<h3>Peers Seeding &amp; Leeching: %d</h3>
<h3>IPv4 Peers: %d</h3>
<h3>IPv6 Peers: %d</h3>
</html>
`, s.Torrents, s.ActiveTorrents, s.PeersAll, s.PeersSeederOnly, s.PeersLeecherOnly, s.PeersSeederAndLeecher, s.PeersIPv4, s.PeersIPv6)
}
