// Package broker is a backplane on NATS (nats.io): an external server with JetStream,
// or one in each node's own process, which together are a cluster.
package broker

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/cluster"
)

// Options say which NATS is used: Embedded, or else URLs.
type Options struct {
	Cluster string // its name: subjects and the bucket begin with it
	Node    string // name of this node

	Embedded *Embedded // nil: none

	URLs        []string // of external servers
	Credentials string   // file for them; empty: none

	// TLS returns what secures the connections to them: their authority, and a certificate of
	// this node if they ask for one. It is called for each connection; nil: the system's
	// authorities, and no certificate.
	TLS func() *tls.Config

	Logger *zap.Logger
}

// The events that this package logs.
const (
	EventConnected    = "broker connected"
	EventDisconnected = "broker disconnected" // error
	EventWaiting      = "broker waiting"      // reachable, servers, error: the register can't be had yet
	EventRegister     = "register ready"      // copies: of the register
	EventError        = "broker error"        // error: the broker refuses or drops something
)

// Broker is a [cluster.Backplane].
type Broker struct {
	// Set before start, then read only.
	options Options
	server  *server.Server // nil: not embedded
	conn    *nats.Conn
	cancel  context.CancelFunc
	ctx     context.Context
	done    sync.WaitGroup
	changed func(cluster.Entry)
	renewed func()
	again   chan struct{} // the register is to be watched anew

	connecting atomic.Pointer[error] // why the last try to connect has failed; nil: none has

	unseen atomic.Int64 // when the first write went through that the watch has not shown; 0: there is none

	created time.Time // of the register that is watched; owned by watch

	mu sync.Mutex
	kv jetstream.KeyValue // nil: not there yet; guarded by mu
}

const (
	// retryTime is the time between two tries to have the register, waitingTime between two
	// lines in the log about that. In a normal start it takes less than worryTime.
	retryTime   = 250 * time.Millisecond
	waitingTime = 5 * time.Second
	worryTime   = 15 * time.Second
	// copiesTime is the time between two looks at the number of copies.
	copiesTime = 30 * time.Second
)

// Name matches what clusters and nodes may be called.
var Name = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// New connects to an external server, or starts one. An external server that can't be
// reached is tried again, without end.
func New(o Options) (*Broker, error) {
	for _, name := range []string{o.Cluster, o.Node} {
		if !Name.MatchString(name) {
			return nil, fmt.Errorf("%q is no name of 1 to 64 letters, digits, \"_\" and \"-\"", name)
		}
	}
	b := &Broker{options: o, again: make(chan struct{}, 1)}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	settings := b.settings()
	var token string // of this process's own connection to its server
	var with security
	if o.Embedded != nil {
		var err error
		token, with = rand.Text(), o.Embedded.security()
		if b.server, err = o.Embedded.start(o.Cluster, o.Node, token, with); err != nil {
			return nil, err
		}
		o.URLs = nil
		settings = append(settings, nats.InProcessServer(b.server), nats.Token(token))
	}
	var err error
	if b.conn, err = nats.Connect(strings.Join(o.URLs, ","), settings...); err != nil {
		if b.server != nil {
			b.server.Shutdown()
		}
		return nil, err
	}
	if b.server != nil {
		b.done.Go(func() { b.secure(token, with) })
	}
	return b, nil
}

// settings are those of the connection to any server.
func (b *Broker) settings() []nats.Option {
	o := &b.options
	settings := []nats.Option{
		nats.Name("parleyd " + o.Node), nats.MaxReconnects(-1), nats.ReconnectWait(retryTime), nats.ReconnectBufSize(-1),
		nats.RetryOnFailedConnect(true), nats.PingInterval(2 * time.Second), nats.MaxPingsOutstanding(2),
		nats.ConnectHandler(func(*nats.Conn) { o.Logger.Info(EventConnected) }),
		nats.ReconnectHandler(func(*nats.Conn) {
			o.Logger.Info(EventConnected)
			b.watchAgain() // it may be another register
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { b.connecting.Store(&err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { o.Logger.Warn(EventError, zap.Error(err)) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				o.Logger.Warn(EventDisconnected, zap.Error(err))
			}
		}),
	}
	if o.TLS != nil {
		settings = append(settings, nats.ClientTLSConfig(
			func() (own tls.Certificate, _ error) {
				if all := o.TLS().Certificates; len(all) > 0 {
					own = all[0]
				}
				return own, nil
			},
			func() (*x509.CertPool, error) { return o.TLS().RootCAs, nil },
		))
	}
	if o.Credentials != "" {
		settings = append(settings, nats.UserCredentials(o.Credentials))
	}
	return settings
}

func (b *Broker) subject(node string) string { return "parley." + b.options.Cluster + "." + node }

// Start implements [cluster.Backplane].
func (b *Broker) Start(receive func([]byte), changed func(cluster.Entry), renewed func()) error {
	b.changed, b.renewed = changed, renewed
	sub, err := b.conn.Subscribe(b.subject(b.options.Node), func(m *nats.Msg) { receive(m.Data) })
	if err != nil {
		return err
	}
	// Packets beyond the limit are lost, and sent again by the nodes' links.
	if err := sub.SetPendingLimits(-1, 64<<20); err != nil {
		return err
	}
	b.done.Go(b.watch)
	return nil
}

// Send implements [cluster.Backplane].
func (b *Broker) Send(node string, packet []byte) {
	_ = b.conn.Publish(b.subject(node), packet) // the link sends it again
}

// Put implements [cluster.Backplane].
func (b *Broker) Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	b.mu.Lock()
	kv := b.kv
	b.mu.Unlock()
	if kv == nil {
		return 0, errors.New("the register is not there yet")
	}
	var at uint64
	var err error
	if revision == 0 {
		at, err = kv.Create(ctx, key, value)
	} else {
		at, err = kv.Update(ctx, key, value, revision)
	}
	var api *jetstream.APIError
	if errors.Is(err, jetstream.ErrKeyExists) || errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
		// The watch will say what there is; it may be behind.
		e, err := kv.Get(ctx, key)
		switch {
		case err == nil:
			b.changed(cluster.Entry{Key: e.Key(), Value: e.Value(), Revision: e.Revision()})
		case errors.Is(err, jetstream.ErrKeyNotFound):
			b.watchAgain()
		}
		return 0, cluster.ErrConflict
	}
	if errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, jetstream.ErrStreamNotFound) {
		b.watchAgain()
	}
	if err == nil {
		b.unseen.CompareAndSwap(0, time.Now().UnixNano())
	}
	return at, err
}

// Close implements [cluster.Backplane].
func (b *Broker) Close() {
	b.cancel()
	b.conn.Close()
	b.done.Wait()
	if b.server != nil {
		b.server.Shutdown()
		b.server.WaitForShutdown()
	}
}
