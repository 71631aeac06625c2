package broker

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/cluster"
)

const patience = 30 * time.Second

// free returns addresses that nobody listens on.
func free(t *testing.T, n int) (addresses []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses
}

// embedded starts brokers that are a cluster by themselves.
func embedded(t *testing.T, n int) (all []*Broker) {
	t.Helper()
	addresses := free(t, n)
	for i, a := range addresses {
		var peers []string
		for j, p := range addresses {
			if j != i {
				peers = append(peers, p)
			}
		}
		b, err := New(Options{
			Cluster: "test", Node: fmt.Sprint("n", i), Logger: zap.NewNop(),
			Embedded: &Embedded{Listen: a, Peers: peers, Dir: t.TempDir(), Secret: "open sesame"},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		all = append(all, b)
	}
	return all
}

// put writes until it is known what became of it.
func put(t *testing.T, b *Broker, key, value string, revision uint64) (uint64, error) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		at, err := b.Put(ctx, key, []byte(value), revision)
		cancel()
		if err == nil || errors.Is(err, cluster.ErrConflict) {
			return at, err
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// All see the same register, of whose entries each change is one of one revision;
// packets reach whom they are for.
func TestEmbedded(t *testing.T) {
	all := embedded(t, 3)
	changes := make(chan cluster.Entry, 100)
	packets := make(chan string, 100)
	for i, b := range all {
		receive, changed := func([]byte) {}, func(cluster.Entry) {}
		if i == 2 {
			receive, changed = func(p []byte) { packets <- string(p) }, func(e cluster.Entry) { changes <- e }
		}
		if err := b.Start(receive, changed); err != nil {
			t.Fatal(err)
		}
	}
	first, err := put(t, all[0], "node.x", "1", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := put(t, all[1], "node.x", "2", 0); !errors.Is(err, cluster.ErrConflict) {
		t.Errorf("a key was made twice: %v", err)
	}
	second, err := put(t, all[1], "node.x", "2", first)
	if err != nil || second <= first {
		t.Errorf("%d after %d: %v", second, first, err)
	}
	if _, err := put(t, all[0], "node.x", "3", first); !errors.Is(err, cluster.ErrConflict) {
		t.Errorf("an old revision was changed: %v", err)
	}
	for want := first; want != 0; {
		select {
		case e := <-changes:
			if e.Key == "node.x" && e.Revision == second && string(e.Value) == "2" {
				want = 0
			}
		case <-time.After(patience):
			t.Fatal("the change was not told")
		}
	}
	for deadline := time.Now().Add(patience); ; {
		all[0].Send("n2", []byte("hello"))
		select {
		case p := <-packets:
			if p != "hello" {
				t.Errorf("got %q", p)
			}
			return
		case <-time.After(50 * time.Millisecond):
			if time.Now().After(deadline) {
				t.Fatal("no packet came")
			}
		}
	}
}

// Who does not know the secret does not get in.
func TestWrongSecret(t *testing.T) {
	addresses := free(t, 2)
	var all []*Broker
	for i, secret := range []string{"open sesame", "open barley"} {
		b, err := New(Options{
			Cluster: "test", Node: fmt.Sprint("n", i), Logger: zap.NewNop(),
			Embedded: &Embedded{Listen: addresses[i], Peers: []string{addresses[1-i]}, Dir: t.TempDir(), Secret: secret},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		all = append(all, b)
	}
	time.Sleep(2 * time.Second)
	for i, b := range all {
		if n := b.server.NumRoutes(); n != 0 {
			t.Errorf("n%d has %d routes", i, n)
		}
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"", "a b", "a.b", "ü", "*", ">"} {
		if _, err := New(Options{Cluster: "test", Node: name, Logger: zap.NewNop(), URLs: []string{"nats://127.0.0.1:1"}}); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
}

// authority signs certificates of nodes.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{key, cert}
}

// config returns the configuration of a node that has a certificate of a, and takes
// those of it.
func (a *authority) config(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		RootCAs:      pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
	}
}

// Nodes with certificates of one authority find each other; one of another does not
// get in.
func TestTLS(t *testing.T) {
	ours, others := newAuthority(t), newAuthority(t)
	addresses := free(t, 3)
	var all []*Broker
	for i, config := range []*tls.Config{ours.config(t), ours.config(t), others.config(t)} {
		var peers []string
		for j, p := range addresses {
			if j != i {
				peers = append(peers, p)
			}
		}
		b, err := New(Options{
			Cluster: "test", Node: fmt.Sprint("n", i), Logger: zap.NewNop(),
			Embedded: &Embedded{Listen: addresses[i], Peers: peers, Dir: t.TempDir(), TLS: config},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		all = append(all, b)
	}
	for deadline := time.Now().Add(patience); all[0].server.NumRoutes() == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("two nodes with good certificates do not find each other")
		}
	}
	if n := all[2].server.NumRoutes(); n != 0 {
		t.Errorf("a stranger has %d routes", n)
	}
}
