package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/config"
	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/web"
	"github.com/parley-rtc/parley/wsconn"
	"github.com/parley-rtc/parley/wsconn/ice"
	"github.com/parley-rtc/parley/wsconn/limit"
)

// Times of the HTTP servers. A handshake, TLS included, must be through within
// headerTimeout.
const (
	headerTimeout  = 8 * time.Second
	requestTimeout = 10 * time.Second
	answerTimeout  = 60 * time.Second // a profile of 30 s fits
	idleTimeout    = 60 * time.Second
	maxHeaderBytes = 16 << 10
	maxBodyBytes   = 1 << 10 // nothing here takes a body
)

// daemon is the server with all its parts.
type daemon struct {
	config   *config.Config
	logs     *logs
	hub      *hub.Hub
	handler  *wsconn.Handler
	draining atomic.Bool

	adminToken []byte // empty: none is asked for

	listener      *listener
	adminListener net.Listener
	server, admin *http.Server
}

// newDaemon makes the parts and opens the listeners. What fails here is wrong use.
func newDaemon(c *config.Config, stderr io.Writer) (_ *daemon, err error) {
	d := &daemon{config: c}
	servers, err := iceServers(c)
	if err != nil {
		return nil, err
	}
	if d.adminToken, err = readSecret("admin-token-file", c.AdminToken); err != nil {
		return nil, err
	}
	plain, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if c.AdminListen != "" {
		if d.adminListener, err = net.Listen("tcp", c.AdminListen); err != nil {
			return nil, fmt.Errorf("admin-listen: %w", err)
		}
	}
	d.logs = newLogs(c, stderr)
	d.listener = newListener(plain.(*net.TCPListener), d.logs.Logger)
	d.server, d.admin = d.newServer(), d.newServer()
	if c.TLSCert != "" {
		certificates, err := newCertificates(c.TLSCert, c.TLSKey, d.logs.Logger)
		if err != nil {
			return nil, err
		}
		d.server.TLSConfig = certificates.config()
	}

	d.hub = hub.New(hub.Options{
		MaxRooms:       c.MaxRooms,
		MaxRoomMembers: c.MaxRoomMembers,
		ResumeWindow:   c.ResumeWindow,
		Logger:         d.logs.Logger,
	})
	d.handler = wsconn.NewHandler(d.hub, wsconn.Options{
		AllowOrigins:    c.AllowOrigins,
		MaxMessageBytes: c.MaxMessageBytes,
		MaxConnections:  c.MaxConnections,
		QueueBytes:      c.QueueBytes,
		Rate:            c.Rate,
		Burst:           c.Burst,
		PingInterval:    c.PingInterval,
		PingTimeout:     c.PingTimeout,
		JoinTimeout:     c.JoinTimeout,
		PerAddress:      perAddress(c),
		ICEServers:      servers,
		Logger:          d.logs.Logger,
	})
	d.server.Handler = d.routes()
	d.admin.Handler = d.adminRoutes()
	return d, nil
}

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

// iceServers returns what makes the ICE servers for a member; nil: there are none.
func iceServers(c *config.Config) (func(id string) json.RawMessage, error) {
	if len(c.ICEServers) == 0 {
		return nil, nil
	}
	secret, err := readSecret("turn-secret-file", c.TURNSecretFile)
	if err != nil {
		return nil, err
	}
	servers, err := ice.New(c.ICEServers, secret)
	if err != nil {
		return nil, fmt.Errorf("ice-server: %w", err)
	}
	return func(id string) json.RawMessage { return servers.For(id, time.Now()) }, nil
}

// readSecret reads the file that a setting names, without the white space around;
// nil if it names none.
func readSecret(setting, file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	secret := bytes.TrimSpace(text)
	if len(secret) == 0 {
		return nil, fmt.Errorf("%s: %s is empty", setting, file)
	}
	return secret, nil
}

// perAddress returns the limits of one client address.
func perAddress(c *config.Config) limit.Options {
	o := limit.Options{MaxConnections: c.PerIP, Rate: c.ConnectRate}
	for _, text := range c.TrustedProxies {
		p, err := limit.ParsePrefix(text)
		if err != nil {
			panic(err) // config has checked it
		}
		o.TrustedProxies = append(o.TrustedProxies, p)
	}
	return o
}

func (d *daemon) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/ws", d.handler)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if d.draining.Load() {
			answer(w, http.StatusServiceUnavailable, "draining")
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	mux.Handle("/", web.Handler())
	return http.MaxBytesHandler(mux, maxBodyBytes)
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}

// serve runs until a signal ends it, and returns the exit code.
func (d *daemon) serve(signals <-chan os.Signal) int {
	defer d.logs.close()
	d.logStart()
	failed := make(chan error, 2)
	go func() {
		if d.server.TLSConfig != nil {
			failed <- d.server.ServeTLS(d.listener, "", "")
			return
		}
		failed <- d.server.Serve(d.listener)
	}()
	if d.adminListener != nil {
		go func() { failed <- d.admin.Serve(d.adminListener) }()
	}

	select {
	case err := <-failed:
		d.logs.Error(eventFailed, zap.Error(err))
		return exitFailed
	case s := <-signals:
		d.logs.Info(eventDrain, zap.String(fieldSignal, s.String()),
			zap.Int64(fieldConnections, d.handler.Stats.Connections.Load()))
	}
	drained := make(chan error, 1)
	go func() { drained <- d.drain() }()
	select {
	case err := <-drained:
		d.logs.Info(eventStopped, zap.Bool(fieldComplete, err == nil))
		return exitOK
	case s := <-signals:
		d.logs.Warn(eventStopped, zap.Bool(fieldComplete, false), zap.String(fieldSignal, s.String()))
		return exitFailed
	}
}

// drain closes every connection and then the listeners. The error says that not
// all had ended in time.
func (d *daemon) drain() error {
	d.draining.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), d.config.DrainTimeout)
	defer cancel()
	err := d.handler.Drain(ctx)
	err = errors.Join(err, d.server.Shutdown(ctx), d.admin.Shutdown(ctx))
	return errors.Join(err, d.server.Close(), d.admin.Close())
}
