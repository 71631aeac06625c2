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
	mathrand "math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/cluster"
)

const patience = 30 * time.Second

// free returns loopback addresses that nobody listens on, with ports that are not taken for
// connections that go out.
func free(t *testing.T, n int) (addresses []string) {
	t.Helper()
	for tries := 0; len(addresses) < n; tries++ {
		address := fmt.Sprintf("127.0.0.1:%d", 20000+mathrand.IntN(12000))
		l, err := net.Listen("tcp", address)
		if err == nil {
			defer l.Close()
			addresses = append(addresses, address)
		} else if tries > 100 {
			t.Fatal(err)
		}
	}
	return addresses
}

// only returns secrets that do not change.
func only(secrets ...string) func() []string { return func() []string { return secrets } }

// embedded starts brokers that are a cluster by themselves.
func embedded(t *testing.T, n int) []*Broker {
	t.Helper()
	return embeddedWith(t, n, func(_ int, e *Embedded) { e.Secrets = only("open sesame") })
}

// embeddedWith is embedded, with what secures each set by the caller.
func embeddedWith(t *testing.T, n int, secure func(i int, e *Embedded)) (all []*Broker) {
	t.Helper()
	addresses := free(t, n)
	for i, a := range addresses {
		var peers []string
		for j, p := range addresses {
			if j != i {
				peers = append(peers, p)
			}
		}
		e := &Embedded{Listen: a, Peers: peers, Dir: t.TempDir()}
		secure(i, e)
		b, err := New(Options{Cluster: "test", Node: fmt.Sprint("n", i), Logger: zap.NewNop(), Embedded: e})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		all = append(all, b)
	}
	return all
}

// put writes until it is known what became of it. An attempt that got no answer may have
// written: then the value is there, and the next attempt conflicts with it.
func put(t *testing.T, b *Broker, key, value string, revision uint64) (uint64, error) {
	t.Helper()
	unanswered := false
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		at, err := b.Put(ctx, key, []byte(value), revision)
		if unanswered && errors.Is(err, cluster.ErrConflict) {
			b.mu.Lock()
			kv := b.kv
			b.mu.Unlock()
			if e, getErr := kv.Get(ctx, key); getErr == nil && string(e.Value()) == value && e.Revision() > revision {
				at, err = e.Revision(), nil
			}
		}
		cancel()
		if err == nil || errors.Is(err, cluster.ErrConflict) {
			return at, err
		}
		unanswered = true
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
		if err := b.Start(receive, changed, func() {}); err != nil {
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

// refusals is a log of a broker that tells of errors.
type refusals chan string

func (r refusals) Errorf(format string, args ...any) {
	select {
	case r <- fmt.Sprintf(format, args...):
	default:
	}
}

func (refusals) Noticef(string, ...any) {}
func (refusals) Warnf(string, ...any)   {}
func (refusals) Fatalf(string, ...any)  {}
func (refusals) Debugf(string, ...any)  {}
func (refusals) Tracef(string, ...any)  {}

// staysOut waits until the first two of three nodes have found each other and have refused
// the third, a stranger to them, with such an error.
func staysOut(t *testing.T, all []*Broker, refused string) {
	t.Helper()
	errs := make(refusals, 64)
	all[0].server.SetLogger(errs, false, false)
	soon := func(what string, is func() bool) {
		t.Helper()
		for deadline := time.Now().Add(patience); !is(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal(what, "in time")
			}
		}
	}
	soon("two nodes do not find each other", func() bool { return all[0].server.NumRoutes() > 0 })
	soon("the stranger is not refused", func() bool {
		select {
		case text := <-errs:
			return strings.Contains(text, refused)
		default:
			return false
		}
	})
	// It counts a route from when it calls until it hears that it is refused.
	soon("the stranger does not lose its routes", func() bool { return all[2].server.NumRoutes() == 0 })
}

// A node that does not know the secret does not get in.
func TestWrongSecret(t *testing.T) {
	secrets := []string{"open sesame", "open sesame", "open barley"}
	staysOut(t, embeddedWith(t, 3, func(i int, e *Embedded) { e.Secrets = only(secrets[i]) }), "authentication error")
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
	// As in the daemon, where certificates may be replaced at any time.
	own := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return &tls.Config{
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return own, nil },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own, nil },
		RootCAs:              pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
	}
}

// Nodes with certificates of one authority find each other; one of another does not
// get in.
func TestTLS(t *testing.T) {
	ours, others := newAuthority(t), newAuthority(t)
	configs := []*tls.Config{ours.config(t), ours.config(t), others.config(t)}
	staysOut(t, embeddedWith(t, 3, func(i int, e *Embedded) { e.TLS = func() *tls.Config { return configs[i] } }), "certificate")
}
