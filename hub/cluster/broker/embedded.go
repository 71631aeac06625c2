package broker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Embedded is a NATS server in this process, one of several that know each other.
type Embedded struct {
	Listen string   // host:port for the other servers
	Peers  []string // host:port of the others
	Dir    string   // where JetStream keeps what it must; empty: a folder for temporary files

	// Secrets returns those by which servers prove themselves to each other: this one with
	// the first, and any of them is accepted; nil: none is asked for. TLS returns what
	// secures the connections; nil: nothing does. Both are called about once a second, and
	// what is new in them is in force from then on. A TLS configuration that was returned
	// is not changed, but replaced.
	Secrets func() []string
	TLS     func() *tls.Config

	accepted accepted // set by start
}

const (
	startTime  = 10 * time.Second
	maxPayload = 8 << 20 // bytes of a packet between nodes
	secretUser = "parley"
)

// options returns those of the server, secured as it is to be now.
func (e *Embedded) options(cluster, node, token string, with security) (*server.Options, error) {
	host, portText, err := net.SplitHostPort(e.Listen)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, err
	}
	// It listens for clients too, on loopback: without that it would have no routes.
	o := &server.Options{
		ServerName: node, Host: "127.0.0.1", Port: server.RANDOM_PORT, Authorization: token, NoSigs: true, NoLog: true, MaxPayload: maxPayload,
		JetStream: true, StoreDir: e.Dir, SyncAlways: true,
		Cluster: server.ClusterOpts{
			Name: "parley-" + cluster, Host: host, Port: port, NoAdvertise: true,
			TLSConfig: with.tls, ConnectRetries: 1 << 30, PoolSize: 1,
		},
	}
	if e.Secrets != nil {
		o.CustomRouterAuthentication = &e.accepted
		o.Cluster.Username, o.Cluster.Password = secretUser, with.secret
	}
	for _, p := range e.Peers {
		u := &url.URL{Scheme: "nats-route", Host: p}
		if e.Secrets != nil {
			u.User = url.UserPassword(secretUser, with.secret)
		}
		o.Routes = append(o.Routes, u)
	}
	// ReloadOptions sorts them, while others read them.
	slices.SortFunc(o.Routes, func(a, b *url.URL) int { return strings.Compare(a.String(), b.String()) })
	return o, nil
}

// start runs the server. Only who knows token, which is this process, can connect to
// it as a client.
func (e *Embedded) start(cluster, node, token string, with security) (*server.Server, error) {
	// The server would only not be ready in time.
	probe, err := net.Listen("tcp", e.Listen)
	if err != nil {
		return nil, fmt.Errorf("cluster-listen: %w", err)
	}
	if err := probe.Close(); err != nil {
		return nil, err
	}
	e.accepted.secrets = e.Secrets
	o, err := e.options(cluster, node, token, with)
	if err != nil {
		return nil, err
	}
	s, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("the embedded broker: %w", err)
	}
	go s.Start()
	if !s.ReadyForConnections(startTime) {
		go s.Shutdown() // which waits for what has not started
		return nil, errors.New("the embedded broker does not start")
	}
	return s, nil
}
