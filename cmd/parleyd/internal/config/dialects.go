package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Dialects says which other protocols are served, and at which paths. An empty path is off.
type Dialects struct {
	PeerJS, YWebRTC, WebTorrent, Ayame string

	PeerJSKeys      []string
	PeerJSDiscovery bool

	AyameAuthn, AyameDisconnect string // URLs; empty: off
}

func (c *Config) defineDialects(f *pflag.FlagSet) {
	d := &c.Dialects
	f.StringVar(&d.PeerJS, "peerjs", "", "`path` that PeerJS clients set in their option path, such as / or /peer; empty: off")
	f.StringArrayVar(&d.PeerJSKeys, "peerjs-key", nil, "`key` that PeerJS clients may use; the default is all, and each key has its own ids; repeatable")
	f.BoolVar(&d.PeerJSDiscovery, "peerjs-discovery", false, "let anybody list the ids of all peers of a key")
	f.StringVar(&d.YWebRTC, "y-webrtc", "", "`path` for y-webrtc clients (Yjs), such as /y-webrtc; empty: off")
	f.StringVar(&d.WebTorrent, "webtorrent", "", "`path` for WebTorrent clients, such as /tracker; empty: off")
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
