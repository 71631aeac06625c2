package main

import (
	"context"
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/admin"
	"github.com/parley-rtc/parley/hub/cluster"
)

// adminRoutes serves what is for operators: the admin API and its
// page, metrics, profiles and the log's level.
func (d *daemon) adminRoutes() http.Handler {
	var nodes func(context.Context) ([]cluster.NodeInfo, error)
	if d.node != nil {
		nodes = d.node.Nodes
	}
	api := admin.New(admin.Options{
		Hub: d.hub, Nodes: nodes, Handler: d.handler, Version: buildVersion(), Started: d.started,
		Config: d.effective, Drain: d.beginDrain, Reload: d.reload, Extra: d.extraFigures,
		Token: d.token, Logger: d.logs.Logger,
	})
	guarded := http.NewServeMux()
	guarded.Handle("/api/", http.MaxBytesHandler(api.Routes(), maxAdminBodyBytes))
	guarded.Handle("GET /metrics", promhttp.HandlerFor(d.metrics(), promhttp.HandlerOpts{}))
	guarded.HandleFunc("GET /debug/pprof/", pprof.Index)
	guarded.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	guarded.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	guarded.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	guarded.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	guarded.Handle("GET /log/level", d.logs.level)
	guarded.Handle("PUT /log/level", http.MaxBytesHandler(http.HandlerFunc(d.setLogLevel), maxBodyBytes))

	mux := http.NewServeMux()
	mux.Handle("/", api.Guard(guarded))
	mux.Handle("GET /{$}", admin.Site())
	mux.Handle("GET /page/", admin.Site())
	return mux
}

// effective returns the settings in force.
func (d *daemon) effective() map[string]any { return d.live.Load().config.Effective() }

// token returns the one that the admin listener asks for; nil: none.
func (d *daemon) token() []byte {
	if token := d.live.Load().adminToken; token != nil {
		return token()
	}
	return nil
}

// beginDrain has the daemon drain and end, as a signal does.
func (d *daemon) beginDrain() {
	select {
	case d.stop <- struct{}{}:
	default: // it has been asked before
	}
}

// extraFigures are the figures of the optional parts.
func (d *daemon) extraFigures() map[string]any {
	all := map[string]any{}
	if r := d.relay; r != nil {
		all["turn_allocations"] = r.Stats.Allocations.Load()
		all["turn_bytes_total"] = r.Stats.BytesToPeers.Load() + r.Stats.BytesFrom.Load()
	}
	if e := d.live.Load().access.told; e != nil {
		all["event_webhook_waiting"] = e.Stats.Waiting.Load()
		all["event_webhook_dropped_total"] = e.Stats.Dropped.Load()
	}
	return all
}

// setLogLevel changes the level; the body is {"level":"debug"}.
func (d *daemon) setLogLevel(w http.ResponseWriter, r *http.Request) {
	before := d.logs.level.Level()
	d.logs.level.ServeHTTP(w, r)
	if now := d.logs.level.Level(); now != before {
		d.logs.Warn(eventLogLevel, zap.Stringer(fieldLogLevel, now))
	}
}
