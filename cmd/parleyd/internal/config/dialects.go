package config

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/parley-rtc/parley/wsconn"
)

// Dialects says which other protocols are served, and at which paths. An empty path is off.
type Dialects struct {
	PeerJS, YWebRTC, WebTorrent, Ayame string

	PeerJSKeys      []string
	PeerJSDiscovery bool
	PeerJSExpire    time.Duration

	YTopics, YClients int // topics of a connection, connections of a topic

	Swarms, SwarmPeers, Offers int // swarms of a connection, peers of a swarm, offers of an announce
	AnnounceInterval           time.Duration

	AyameAuthn, AyameDisconnect string // URLs; empty: off
}

func (c *Config) defineDialects(f *pflag.FlagSet) {
	d := &c.Dialects
	f.StringVar(&d.PeerJS, "peerjs", "", "`path` that PeerJS clients set in their option path, such as / or /peer; empty: off")
	f.StringArrayVar(&d.PeerJSKeys, "peerjs-key", nil, "`key` that PeerJS clients may use; the default is all, and each key has its own ids; repeatable")
	f.BoolVar(&d.PeerJSDiscovery, "peerjs-discovery", false, "let anybody list the ids of all peers of a key")
	f.DurationVar(&d.PeerJSExpire, "peerjs-expire", 5*time.Second, "how long a message of a PeerJS client waits for an absent peer")
	f.StringVar(&d.YWebRTC, "y-webrtc", "", "`path` for y-webrtc clients (Yjs), such as /y-webrtc; empty: off")
	f.IntVar(&d.YTopics, "y-webrtc-topics", 256, "topics that one y-webrtc connection may be subscribed to")
	f.IntVar(&d.YClients, "y-webrtc-clients", 1000, "connections that may be subscribed to one topic")
	f.StringVar(&d.WebTorrent, "webtorrent", "", "`path` for WebTorrent clients, such as /tracker; empty: off")
	f.IntVar(&d.Swarms, "webtorrent-swarms", 256, "peers in swarms that one WebTorrent connection may be")
	f.IntVar(&d.SwarmPeers, "webtorrent-peers", 1000, "peers that one swarm may have")
	f.IntVar(&d.Offers, "webtorrent-offers", 20, "offers of one announce that are passed on")
	f.DurationVar(&d.AnnounceInterval, "webtorrent-interval", 2*time.Minute, "how often WebTorrent clients are asked to announce")
	f.StringVar(&d.Ayame, "ayame", "", "`path` for Ayame clients, such as /ayame; empty: off")
	f.StringVar(&d.AyameAuthn, "ayame-authn-webhook", "", "`URL` of the application, as of an Ayame server: asked whether an Ayame client may join")
	f.StringVar(&d.AyameDisconnect, "ayame-disconnect-webhook", "", "`URL` of the application, as of an Ayame server: told when a client has left")
}

// ownPaths are those of the daemon itself, and those below them.
var ownPaths = []string{"/ws", "/healthz", "/readyz"}

// served returns what is served for a protocol whose path is set.
func served(name, path string) []string {
	base := strings.TrimSuffix(path, "/")
	switch name {
	case "peerjs":
		return []string{base + "/peerjs"} // with other paths below path, which clash with none
	case "webtorrent":
		return []string{path, base + "/stats", base + "/stats.json"}
	}
	return []string{path}
}

func (c *Config) checkDialects() error {
	d := &c.Dialects
	if err := d.checkLimits(); err != nil {
		return err
	}
	taken := slices.Clone(ownPaths)
	for _, one := range []struct {
		name string
		path *string
	}{{"peerjs", &d.PeerJS}, {"y-webrtc", &d.YWebRTC}, {"webtorrent", &d.WebTorrent}, {"ayame", &d.Ayame}} {
		path := *one.path
		if path == "" {
			continue
		}
		if path != "/" {
			path = strings.TrimSuffix(path, "/")
			if !basePath.MatchString(path) || path == "" || strings.Contains(path, "/.") {
				return fmt.Errorf("%s: %q is not a path as in /%s", one.name, *one.path, one.name)
			}
		}
		*one.path = path
		for _, serves := range served(one.name, path) {
			if slices.Contains(taken, serves) {
				return fmt.Errorf("%s: %q already serves something else", one.name, serves)
			}
			taken = append(taken, serves)
		}
	}
	if d.PeerJS == "" && (len(d.PeerJSKeys) > 0 || d.PeerJSDiscovery) {
		return fmt.Errorf("peerjs-key and peerjs-discovery are for peerjs")
	}
	for name, value := range map[string]string{"ayame-authn-webhook": d.AyameAuthn, "ayame-disconnect-webhook": d.AyameDisconnect} {
		switch {
		case value == "":
		case d.Ayame == "":
			return fmt.Errorf("%s is for ayame", name)
		case !isHTTP(value):
			return fmt.Errorf("%s: this is not an http or https URL", name)
		}
	}
	if slices.Contains(d.PeerJSKeys, "") {
		return fmt.Errorf("peerjs-key: it must not be empty")
	}
	return nil
}

// mostOffers bounds webtorrent-offers: clients make 5 or 10.
const mostOffers = 100

func (d *Dialects) checkLimits() error {
	for _, n := range []struct {
		name             string
		value, min, most int
	}{
		{"y-webrtc-topics", d.YTopics, 1, wsconn.MaxMemberships},
		{"y-webrtc-clients", d.YClients, 2, math.MaxInt32},
		{"webtorrent-swarms", d.Swarms, 1, wsconn.MaxMemberships},
		{"webtorrent-peers", d.SwarmPeers, 2, math.MaxInt32},
		{"webtorrent-offers", d.Offers, 1, mostOffers},
	} {
		if n.value < n.min || n.value > n.most {
			return fmt.Errorf("%s: %d is not between %d and %d", n.name, n.value, n.min, n.most)
		}
	}
	for name, value := range map[string]time.Duration{"peerjs-expire": d.PeerJSExpire, "webtorrent-interval": d.AnnounceInterval} {
		if value < time.Second || value > time.Hour {
			return fmt.Errorf("%s: %s is not between 1s and 1h", name, value)
		}
	}
	return nil
}
