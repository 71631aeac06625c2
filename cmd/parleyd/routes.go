package main

import (
	"bytes"
	"io"
	"log"
	"net/http"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/web"
)

func (d *daemon) newServer() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true) // WebSocket's handshake is HTTP/1.1
	return &http.Server{
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		Protocols:         protocols,
		ErrorLog:          log.New(httpErrors{d.logs.Logger}, "", 0),
	}
}

// httpErrors makes events of what net/http has to say.
type httpErrors struct{ log *zap.Logger }

func (h httpErrors) Write(line []byte) (int, error) {
	h.log.Info(eventHTTPError, zap.ByteString(fieldError, bytes.TrimSpace(line)))
	return len(line), nil
}

func (d *daemon) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/ws", d.whenServing(d.handler))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if d.draining.Load() {
			answer(w, http.StatusServiceUnavailable, "draining")
			return
		}
		if d.node != nil && !d.node.Ready() {
			answer(w, http.StatusServiceUnavailable, "the cluster is not ready")
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	page := web.Handler(d.config.Ancestors...)
	mux.Handle("/", page)
	d.speakDialects(mux, page)
	return http.MaxBytesHandler(below(d.config.BasePath, mux), maxBodyBytes)
}

// below serves under a path, which begins with a slash; health checks are at the root too.
func below(path string, h http.Handler) http.Handler {
	if path == "" {
		return h
	}
	mux := http.NewServeMux()
	mux.Handle(path+"/", http.StripPrefix(path, h)) // and path is redirected there
	mux.Handle("GET /healthz", h)
	mux.Handle("GET /readyz", h)
	return mux
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}
