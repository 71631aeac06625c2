package broker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Embedded is a NATS server in this process, one of several that know each other.
type Embedded struct {
	Listen string   // host:port for the other servers
	Peers  []string // host:port of the others
	Dir    string   // where JetStream keeps what it must; empty: a folder for temporary files
	Secret string   // by which servers prove themselves to each other; empty: none
	TLS    *tls.Config
}

const (
	startTime  = 10 * time.Second
	maxPayload = 8 << 20 // bytes of a packet between nodes
	secretUser = "parley"
)

// start runs the server. Only who knows token, which is this process, can connect to
// it as a client.
func (e *Embedded) start(cluster, node, token string) (*server.Server, error) {
	host, portText, err := net.SplitHostPort(e.Listen)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, err
	}
	o := &server.Options{
		ServerName: node, Host: "127.0.0.1", Port: server.RANDOM_PORT, Authorization: token, NoSigs: true, NoLog: true, MaxPayload: maxPayload,
		JetStream: true, StoreDir: e.Dir, SyncAlways: true,
		Cluster: server.ClusterOpts{
			Name: "parley-" + cluster, Host: host, Port: port, NoAdvertise: true,
			TLSConfig: e.TLS, ConnectRetries: 1 << 30, PoolSize: 1,
		},
	}
	if e.Secret != "" {
		o.Cluster.Username, o.Cluster.Password = secretUser, e.Secret
	}
	for _, p := range e.Peers {
		u := &url.URL{Scheme: "nats-route", Host: p}
		if e.Secret != "" {
			u.User = url.UserPassword(secretUser, e.Secret)
		}
		o.Routes = append(o.Routes, u)
	}
	s, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("the embedded broker: %w", err)
	}
	go s.Start()
	if !s.ReadyForConnections(startTime) {
		s.Shutdown()
		return nil, errors.New("the embedded broker does not start: is cluster-listen taken?")
	}
	return s, nil
}
