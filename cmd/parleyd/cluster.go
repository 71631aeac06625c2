package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/config"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/reload"
	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/cluster"
	"github.com/parley-rtc/parley/hub/cluster/broker"
	"github.com/parley-rtc/parley/hub/cluster/direct"
)

// gcPercentOfNode is GOGC for a node of a cluster where the environment sets none: what
// passes between nodes leaves more garbage than what passes inside of one.
const gcPercentOfNode = 200

// followTime is the time between two looks at where the members of rooms are.
const followTime = 5 * time.Second

// newNode makes this daemon a node of its cluster.
func (d *daemon) newNode(o hub.Options) (err error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercentOfNode)
	}
	k := &d.config.Cluster
	options := broker.Options{
		Cluster: k.Name, Node: k.Node, URLs: k.NATS, Credentials: k.NATSCreds, Logger: d.logs.Logger,
	}
	if k.Listen != "" {
		options.Embedded, err = d.embedded()
	} else {
		options.TLS, err = clusterTLS(k, d.logs.Logger)
	}
	if err != nil {
		return err
	}
	b, err := d.backplane(options)
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	d.node, err = cluster.New(cluster.Options{
		Name: k.Node, Backplane: b, Hub: o, QueueBytes: d.config.QueueBytes, Follow: followTime, Logger: d.logs.Logger,
	})
	if err != nil {
		b.Close()
		return fmt.Errorf("cluster: %w", err)
	}
	d.hub = d.node.Hub()
	return nil
}

// backplane returns the way to the other nodes: the broker, and direct connections where
// there are to be any.
func (d *daemon) backplane(o broker.Options) (cluster.Backplane, error) {
	b, err := broker.New(o)
	if err != nil {
		return nil, err
	}
	k := &d.config.Cluster
	if k.DirectListen() == "" {
		return b, nil
	}
	d.direct, err = direct.New(b, direct.Options{Node: k.Node, Listen: k.DirectListen(), Advertise: k.Advertise, Logger: d.logs.Logger})
	if err != nil {
		b.Close()
		return nil, err
	}
	return d.direct, nil
}

// allAddresses adds the present addresses of each name that stands for several machines; the
// name stays, for the machines to come.
func allAddresses(peers []string) (all []string) {
	for _, p := range peers {
		all = append(all, p)
		host, port, _ := net.SplitHostPort(p) // has been checked
		if net.ParseIP(host) != nil {
			continue
		}
		addresses, err := net.LookupHost(host)
		if err != nil || len(addresses) < 2 {
			continue
		}
		for _, a := range addresses {
			all = append(all, net.JoinHostPort(a, port))
		}
	}
	return all
}

// embedded returns how the broker in this process is set up.
func (d *daemon) embedded() (_ *broker.Embedded, err error) {
	k := &d.config.Cluster
	e := &broker.Embedded{Listen: k.Listen, Peers: allAddresses(k.Peers), Dir: k.Dir}
	if e.Dir == "" {
		if e.Dir, err = os.MkdirTemp("", "parleyd-cluster"); err != nil {
			return nil, fmt.Errorf("cluster-dir: %w", err)
		}
		d.temporary = e.Dir
	}
	if e.Secrets, err = clusterSecrets(k.SecretFile, d.logs.Logger); err != nil {
		return nil, err
	}
	if e.TLS, err = clusterTLS(k, d.logs.Logger); err != nil {
		return nil, err
	}
	return e, nil
}

// clusterSecrets returns those of the nodes, as the file has them; nil: there are none.
func clusterSecrets(file string, log *zap.Logger) (func() []string, error) {
	secrets, err := newSecrets("cluster-secret-file", file, log)
	if secrets == nil || err != nil {
		return nil, err
	}
	return func() (list []string) {
		for _, secret := range secrets() {
			list = append(list, string(secret))
		}
		return list
	}, nil
}

// clusterSecurity is what secures connections between nodes, or to an external NATS server.
type clusterSecurity struct {
	config *tls.Config
	until  time.Time // when the first certificate of it ends: the node's, or else the authority's
}

// clusterTLS returns what secures the connections between nodes, or to an external NATS
// server, as the files have it; nil: nothing does. Nodes are clients of each other, with
// the same certificate; to a NATS server a node may have none.
func clusterTLS(k *config.Cluster, log *zap.Logger) (func() *tls.Config, error) {
	if k.TLSCA == "" {
		return nil, nil
	}
	files := []string{k.TLSCA}
	if k.TLSCert != "" {
		files = append(files, k.TLSCert, k.TLSKey)
	}
	told := func(fresh clusterSecurity, err error) {
		if err != nil {
			log.Error(eventTLSFailed, zap.Error(err))
			return
		}
		log.Info(eventTLSReloaded, zap.Time(fieldNotAfter, fresh.until))
	}
	current, err := reload.New(func() (clusterSecurity, error) { return loadClusterTLS(k) }, told, files...)
	if err != nil {
		return nil, err
	}
	return func() *tls.Config { return current.Get().config }, nil
}

func loadClusterTLS(k *config.Cluster) (s clusterSecurity, err error) {
	text, err := os.ReadFile(k.TLSCA)
	if err != nil {
		return s, fmt.Errorf("cluster-tls-ca: %w", err)
	}
	ca := x509.NewCertPool()
	block, _ := pem.Decode(text)
	if !ca.AppendCertsFromPEM(text) || block == nil {
		return s, errors.New("cluster-tls-ca: there is no certificate in it")
	}
	s.config = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: ca}
	if k.TLSCert == "" {
		if first, err := x509.ParseCertificate(block.Bytes); err == nil {
			s.until = first.NotAfter
		}
		return s, nil
	}
	own, err := tls.LoadX509KeyPair(k.TLSCert, k.TLSKey)
	if err != nil {
		return s, fmt.Errorf("cluster-tls-cert: %w", err)
	}
	s.until = own.Leaf.NotAfter
	s.config.Certificates = []tls.Certificate{own}
	s.config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
	s.config.ClientCAs, s.config.ClientAuth = ca, tls.RequireAndVerifyClientCert
	return s, nil
}

// whenServing answers with 503 while this node of a cluster can't serve connections: load
// balancers and clients try another.
func (d *daemon) whenServing(h http.Handler) http.Handler {
	if d.node == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !d.node.Serves() {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "the cluster is not ready", http.StatusServiceUnavailable)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// clusterName and nodeName are what this daemon is part of; empty: nothing.
func (d *daemon) clusterName() string {
	if d.node == nil {
		return ""
	}
	return d.config.Cluster.Name
}

func (d *daemon) nodeName() string {
	if d.node == nil {
		return ""
	}
	return d.config.Cluster.Node
}
