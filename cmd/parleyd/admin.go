package main

import (
	"crypto/subtle"
	"net/http"
	"net/http/pprof"
	"strings"

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
	return d.withToken(http.MaxBytesHandler(mux, maxBodyBytes))
}

// withToken asks for the admin token, where there is one.
func (d *daemon) withToken(next http.Handler) http.Handler {
	if len(d.adminToken) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(given), d.adminToken) == 0 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			answer(w, http.StatusUnauthorized, "the admin token is missing or wrong")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// setLogLevel changes the level; the body is {"level":"debug"}.
func (d *daemon) setLogLevel(w http.ResponseWriter, r *http.Request) {
	before := d.logs.level.Level()
	d.logs.level.ServeHTTP(w, r)
	if now := d.logs.level.Level(); now != before {
		d.logs.Warn(eventLogLevel, zap.Stringer(fieldLogLevel, now))
	}
}
