package main

import (
	"net/http"
	"strings"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/webhook"
	"github.com/parley-rtc/parley/wsconn"
	"github.com/parley-rtc/parley/wsconn/ayame"
	"github.com/parley-rtc/parley/wsconn/peerjs"
	"github.com/parley-rtc/parley/wsconn/webtorrent"
	"github.com/parley-rtc/parley/wsconn/ywebrtc"
)

// speakDialects makes the handlers of the other protocols that are served, and routes
// requests to them. page is what else is served at the root.
func (d *daemon) speakDialects(mux *http.ServeMux, page http.Handler) {
	c := &d.config.Dialects
	at := func(path string, dialect wsconn.Dialect) *wsconn.DialectHandler {
		h := d.handler.Speaking(dialect)
		d.dialects = append(d.dialects, h)
		if path == "/" {
			mux.Handle("/{$}", upgradeOr(d.whenServing(h), page))
		} else {
			mux.Handle(path, d.whenServing(h))
			mux.Handle(path+"/{$}", d.whenServing(h))
		}
		return h
	}
	if c.PeerJS != "" {
		base := strings.TrimSuffix(c.PeerJS, "/")
		p := peerjs.New(peerjs.Options{
			Keys: c.PeerJSKeys, Discovery: c.PeerJSDiscovery, Expire: c.PeerJSExpire, NoTokens: !d.config.Auth.On() && d.config.Webhooks.Join == "",
		})
		h := at(base+"/peerjs", p)
		id, peers := p.API(d.hub, h.AllowsOrigin)
		mux.Handle(base+"/{key}/id", id)
		mux.Handle(base+"/{key}/peers", peers)
	}
	if c.Ayame != "" {
		o := ayame.Options{}
		if hook := webhook.NewAyame(c.AyameAuthn, c.AyameDisconnect, d.logs.Logger); hook != nil {
			o.Webhook = hook
		}
		at(c.Ayame, ayame.New(o))
	}
	if c.YWebRTC != "" {
		at(c.YWebRTC, ywebrtc.New(ywebrtc.Options{MaxTopics: c.YTopics, MaxClients: c.YClients}))
	}
	if c.WebTorrent != "" {
		tracker := webtorrent.New(d.hub, webtorrent.Options{
			Interval: c.AnnounceInterval, MaxSwarms: c.Swarms, MaxOffers: c.Offers, MaxPeers: c.SwarmPeers,
		})
		at(c.WebTorrent, tracker)
		base := strings.TrimSuffix(c.WebTorrent, "/")
		mux.HandleFunc(base+"/stats", tracker.ServeStats)
		mux.HandleFunc(base+"/stats.json", tracker.ServeStats)
	}
}

// dialectNames are those of the protocols that are served beside version 1.
func (d *daemon) dialectNames() []string {
	names := []string{}
	for _, h := range d.dialects {
		names = append(names, h.Name())
	}
	return names
}

// upgradeOr serves upgrades to WebSocket by one handler, and everything else by another.
func upgradeOr(upgrades, others http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			upgrades.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
}
