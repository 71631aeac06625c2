package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/acme"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/config"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/proxyheader"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/relay"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/sockets"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/tlsport"
	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/cluster"
	"github.com/parley-rtc/parley/hub/cluster/direct"
	"github.com/parley-rtc/parley/wsconn"
	"github.com/parley-rtc/parley/wsconn/clientip"
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

	maxAdminBodyBytes = 128 << 10 // a message to a room
)

// sameSignal is the time within which a second signal counts as the first: some programs
// signal a process and its group. A later one ends the daemon at once.
const sameSignal = 250 * time.Millisecond

// daemon is the server with all its parts.
type daemon struct {
	config   *config.Config // of the start
	logs     *logs
	hub      *hub.Hub
	node     *cluster.Node     // nil: this daemon is the only one
	direct   *direct.Backplane // nil: other nodes are reached by the broker only
	handler  *wsconn.Handler
	dialects []*wsconn.DialectHandler // in no order; set before serving
	relay    *relay.Server            // nil: none
	present  *presence                // who is a member, for the relay

	turnPublic []netip.Addr // addresses of the relay
	started    time.Time
	running    atomic.Pointer[hub.Hub] // hub, for goroutines that are started before it
	draining   atomic.Bool
	stop       chan struct{} // gets one value when the admin API asks for the end

	temporary string // folder to be removed in the end; empty: none

	ownSecret func() []byte // of credentials for TURN, where the settings have none

	live      atomic.Pointer[live] // nil during the start
	reloading sync.Mutex           // held by reload
	retiring  sync.WaitGroup       // parts that were replaced and still have events to deliver

	entrances     []*entrance
	shared        *tlsport.Listener // the listener of the port that HTTPS and TURN share; nil: there is none
	adminListener net.Listener
	server, admin *http.Server

	acme             *acme.Manager // nil: certificates come from files, or there are none
	redirect         *http.Server  // from HTTP to HTTPS
	redirectListener net.Listener  // nil: there is none
}

// newDaemon makes the parts and opens the listeners. Errors here are errors of use.
func newDaemon(c *config.Config, stderr io.Writer) (_ *daemon, err error) {
	d := &daemon{config: c, started: time.Now(), stop: make(chan struct{}, 1)}
	d.logs = newLogs(c, stderr)
	d.present = newPresence(d.clients)
	d.ownSecret = sync.OnceValue(d.keptSecret)
	defer func() {
		if err != nil {
			d.close(context.Background())
			d.logs.close()
		}
	}()
	d.server, d.admin, d.redirect = d.newServer(), d.newServer(), d.newServer()
	if err = d.newTLS(); err != nil {
		return nil, err
	}
	if err := d.listen(); err != nil {
		return nil, err
	}
	if err := d.newTURN(withoutProtocols(d.server.TLSConfig)); err != nil {
		return nil, err
	}
	l, err := d.newLive(c, nil)
	if err != nil {
		return nil, err
	}
	d.live.Store(l)
	if err := d.newHub(); err != nil {
		return nil, err
	}
	d.server.Handler = d.routes()
	d.admin.Handler = d.adminRoutes()
	return d, d.startACME()
}

// listen opens all listeners but those of the TURN server.
func (d *daemon) listen() error {
	c := d.config
	addresses, err := c.Addresses()
	if err != nil {
		return err
	}
	opened, err := sockets.Listen(addresses)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	for _, l := range opened {
		e := &entrance{listener: newListener(l, d.logs.Logger)}
		_, tcp := l.(*net.TCPListener)
		e.tls = tcp && d.server.TLSConfig != nil // on a Unix socket there is a proxy, which speaks TLS itself
		d.entrances = append(d.entrances, e)
		if c.ProxyProtocol {
			e.named = proxyheader.New(e.listener, d.trusts, d.logs.Logger)
			d.server.ConnContext = d.withPeer
		}
		if e.tls && d.shared == nil && c.Shares() {
			d.shared = d.share(e)
		}
	}
	if c.AdminListen != "" {
		if d.adminListener, err = net.Listen("tcp", c.AdminListen); err != nil {
			return fmt.Errorf("admin-listen: %w", err)
		}
	}
	return d.listenPlain()
}

// trusts reports whether an address is a trusted proxy's.
func (d *daemon) trusts(a netip.Addr) bool {
	l := d.live.Load()
	return l != nil && l.proxies.Trusts(a)
}

// withPeer puts the address that a proxy's header had into the context of the
// connection's requests.
func (d *daemon) withPeer(ctx context.Context, c net.Conn) context.Context {
	c = socketOf(c)
	for _, e := range d.entrances {
		if e.named == nil {
			continue
		}
		if source, ok := e.named.Source(c); ok {
			return clientip.WithPeer(ctx, source.Addr())
		}
	}
	return ctx
}

// socketOf returns the socket at the bottom of a connection, as it was accepted.
func socketOf(c net.Conn) net.Conn {
	for {
		outer, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = outer.NetConn()
	}
}

func (d *daemon) newHub() (err error) {
	o := d.hubOptions(d.config)
	if d.config.Cluster.On() {
		err = d.newNode(o)
	} else {
		d.hub, err = hub.New(o)
	}
	if err != nil {
		return err
	}
	d.running.Store(d.hub)
	d.handler, err = wsconn.NewHandler(d.hub, d.handlerOptions(d.live.Load()))
	return err
}

// clients returns those of the hub. Before there is one, there are none.
func (d *daemon) clients(ctx context.Context) ([]hub.ClientInfo, error) {
	h := d.running.Load()
	if h == nil {
		return nil, nil
	}
	return h.Clients(ctx)
}

// close ends the parts that are there; what is to be told to others is told until
// ctx is done.
func (d *daemon) close(ctx context.Context) {
	if d.hub != nil {
		_ = d.hub.Close()
	}
	if d.temporary != "" {
		_ = os.RemoveAll(d.temporary)
	}
	if l := d.live.Load(); l != nil {
		if l.access.told != nil {
			l.access.told.Close(ctx)
		}
		if l.access.tokens != nil {
			l.access.tokens.Close()
		}
	}
	d.retiring.Wait()
	if d.relay != nil {
		_ = d.relay.Close()
	}
	if d.acme != nil {
		d.acme.Close()
	}
	if d.adminListener != nil {
		_ = d.adminListener.Close()
	}
	if d.redirectListener != nil {
		_ = d.redirectListener.Close()
	}
	for _, e := range d.entrances {
		_ = e.Close()
	}
}

// serve runs until a signal ends it, and returns the exit code. At each value of again
// it reads the settings anew.
func (d *daemon) serve(signals, again <-chan os.Signal) int {
	defer d.logs.close()
	d.logStart()
	failed := d.begin()
	watched, stop := context.WithCancel(context.Background())
	defer stop()
	go d.watch(watched)
	d.tell(systemd.SdNotifyReady)
	asked, err := d.untilEnd(signals, again, failed)
	d.tell(systemd.SdNotifyStopping)
	if err != nil {
		d.logs.Error(eventFailed, zap.Error(err))
		if err := d.drain(0); err != nil {
			d.logs.Warn(eventStopped, zap.Bool(fieldComplete, false), zap.Error(err))
		}
		return exitFailed
	}
	d.draining.Store(true)
	d.logs.Info(eventDrain, zap.String(fieldSignal, asked), zap.Int64(fieldConnections, d.handler.Stats.Connections.Load()))
	drained := make(chan error, 1)
	go func() { drained <- d.drain(d.live.Load().config.DrainDelay) }()
	for begun := time.Now(); ; {
		select {
		case err := <-drained:
			d.logs.Info(eventStopped, zap.Bool(fieldComplete, err == nil))
			return exitOK
		case s := <-signals:
			if time.Since(begun) < sameSignal {
				continue
			}
			d.logs.Warn(eventStopped, zap.Bool(fieldComplete, false), zap.String(fieldSignal, s.String()))
			return exitFailed
		}
	}
}

// begin has all listeners served. The channel gets the error that ends one of them.
func (d *daemon) begin() <-chan error {
	failed := make(chan error, 3+len(d.entrances))
	for _, e := range d.entrances {
		go func() { failed <- d.server.Serve(e.accepting(d.server.TLSConfig)) }()
	}
	if d.adminListener != nil {
		go func() { failed <- d.admin.Serve(d.adminListener) }()
	}
	if d.redirectListener != nil {
		go func() { failed <- d.redirect.Serve(d.redirectListener) }()
	}
	if d.node != nil {
		go func() {
			select {
			case err := <-d.node.Failed():
				failed <- err
			case <-d.node.Closed():
			}
		}()
	}
	return failed
}

// untilEnd waits for what ends the daemon: it returns who has asked for it, or an error.
func (d *daemon) untilEnd(signals, again <-chan os.Signal, failed <-chan error) (asked string, err error) {
	for {
		select {
		case err := <-failed:
			return "", err
		case s := <-signals:
			return s.String(), nil
		case <-d.stop:
			return "admin", nil
		case <-again:
			d.tell(systemd.SdNotifyReloading)
			_, _, _ = d.reload() // the log tells
			d.tell(systemd.SdNotifyReady)
		}
	}
}

// drain has /readyz say that this server goes away, serves on for a while so that load
// balancers see it, and then closes every connection and all else. The error says that
// not all had ended in time.
func (d *daemon) drain(delay time.Duration) error {
	d.draining.Store(true)
	time.Sleep(delay)
	ctx, cancel := context.WithTimeout(context.Background(), d.live.Load().config.DrainTimeout)
	defer cancel()
	err := d.handler.Shutdown(ctx)
	err = errors.Join(err, d.server.Shutdown(ctx), d.admin.Shutdown(ctx), d.redirect.Shutdown(ctx))
	err = errors.Join(err, d.server.Close(), d.admin.Close(), d.redirect.Close())
	d.close(ctx)
	return err
}
