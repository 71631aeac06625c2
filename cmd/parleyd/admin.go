package main

import (
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// adminRoutes serves what is for those who run the server.
func (d *daemon) adminRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(d.metrics(), promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.Handle("GET /log/level", d.logs.level)
	mux.HandleFunc("PUT /log/level", d.setLogLevel)
	return mux
}

// setLogLevel changes the level; the body is {"level":"debug"}.
func (d *daemon) setLogLevel(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<10)
	before := d.logs.level.Level()
	d.logs.level.ServeHTTP(w, r)
	if now := d.logs.level.Level(); now != before {
		d.logs.Warn(eventLogLevel, zap.Stringer(fieldLogLevel, now))
	}
}
