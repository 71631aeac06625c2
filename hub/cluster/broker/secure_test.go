package broker

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/cluster"
)

// guard is what secures a broker, and can be changed.
type guard struct {
	secrets atomic.Pointer[[]string]
	tls     atomic.Pointer[tls.Config]
	looks   atomic.Int64 // that the broker has taken
}

// set changes what there is, and waits until it is in force: the broker looks again
// when it is through with what it saw the last time.
func (g *guard) set(t *testing.T, secrets []string, config *tls.Config) {
	t.Helper()
	g.secrets.Store(&secrets)
	g.tls.Store(config)
	soon(t, "the broker does not look", g.looked(2))
}

// looked returns what reports whether the broker has looked n more times.
func (g *guard) looked(n int64) func() bool {
	before := g.looks.Load()
	return func() bool { return g.looks.Load() >= before+n }
}

func (g *guard) over(e *Embedded) {
	e.Secrets = func() []string { return *g.secrets.Load() }
	e.TLS = func() *tls.Config {
		g.looks.Add(1)
		return g.tls.Load()
	}
}

func soon(t *testing.T, fault string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(fault, "in time")
		}
	}
}

// guarded starts three brokers with guards, and waits until they work. The first one also
// calls an address that is returned.
func guarded(t *testing.T, secrets []string, config *tls.Config) (all []*Broker, guards []*guard, called string) {
	t.Helper()
	for range 3 {
		g := new(guard)
		g.secrets.Store(&secrets)
		g.tls.Store(config)
		guards = append(guards, g)
	}
	called = free(t, 1)[0]
	all = embeddedWith(t, 3, func(i int, e *Embedded) {
		guards[i].over(e)
		if i == 0 {
			e.Peers = append(e.Peers, called)
		}
	})
	for _, b := range all {
		if err := b.Start(func([]byte) {}, func(cluster.Entry) {}, func() {}); err != nil {
			t.Fatal(err)
		}
	}
	work(t, all)
	return all, guards, called
}

// work checks that all brokers have connections to each other, and one register.
func work(t *testing.T, all []*Broker) {
	t.Helper()
	for i, b := range all {
		soon(t, fmt.Sprint("node ", i, " is not connected to all others"), func() bool { return b.server.NumRemotes() == len(all)-1 })
		if _, err := put(t, b, fmt.Sprintf("node.%d.%d", i, time.Now().UnixNano()), "x", 0); err != nil {
			t.Error(err)
		}
	}
}

// outsider starts a broker at an address that the first one calls, and reports whether they
// become one cluster. It waits for that, or else for a refusal.
func outsider(t *testing.T, all []*Broker, called, refused string, with *guard) (in bool) {
	t.Helper()
	soon(t, "a former outsider does not go", func() bool { return all[0].server.NumRemotes() == len(all)-1 })
	errs := make(refusals, 64)
	all[0].server.SetLogger(errs, false, false)
	e := &Embedded{Listen: called, Peers: free(t, 1), Dir: t.TempDir()}
	with.over(e)
	b, err := New(Options{Cluster: "test", Node: "outsider", Logger: zap.NewNop(), Embedded: e})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	b.server.SetLogger(errs, false, false)
	heard, err := all[0].conn.SubscribeSync("heard")
	if err != nil {
		t.Fatal(err)
	}
	defer heard.Unsubscribe()
	soon(t, "the outsider is neither let in nor refused", func() bool {
		// A route counts from its beginning, also if it is refused.
		_ = b.conn.Publish("heard", nil)
		if _, err := heard.NextMsg(10 * time.Millisecond); err == nil {
			in = true
			return true
		}
		select {
		case text := <-errs:
			return strings.Contains(text, refused)
		default:
			return false
		}
	})
	return in
}

// A secret is changed in one node after the other while all work: first the new one comes
// before the old one, then the old one goes. Afterwards nobody is one of
// the cluster with the old one.
func TestSecretChange(t *testing.T) {
	all, guards, called := guarded(t, []string{"old"}, nil)
	for _, step := range [][]string{{"new", "old"}, {"new"}} {
		for _, g := range guards {
			g.set(t, step, nil)
			work(t, all)
		}
	}
	for _, secret := range []string{"old", "new"} {
		g := new(guard)
		g.secrets.Store(&[]string{secret})
		if got := outsider(t, all, called, "authentication error", g); got != (secret == "new") {
			t.Errorf("a node with the %s secret is one of the cluster: %v", secret, got)
		}
	}
}

// Certificates and their authority are changed in one node after the other while all work:
// first both authorities are known, then the certificate is the new one's, then the old
// authority goes. Afterwards nobody is one of the cluster with its certificates.
func TestAuthorityChange(t *testing.T) {
	old, fresh := newAuthority(t), newAuthority(t)
	with := func(a *authority, known ...*authority) *tls.Config {
		c, pool := a.config(t), x509.NewCertPool()
		for _, k := range known {
			pool.AddCert(k.cert)
		}
		c.RootCAs, c.ClientCAs = pool, pool
		return c
	}
	secrets := []string{"open sesame"}
	all, guards, called := guarded(t, secrets, with(old, old))
	for _, step := range []*tls.Config{with(old, old, fresh), with(fresh, old, fresh), with(fresh, fresh)} {
		for _, g := range guards {
			g.set(t, secrets, step)
			work(t, all)
		}
	}
	for i, c := range []*tls.Config{with(old, old, fresh), with(fresh, fresh)} {
		g := new(guard)
		g.secrets.Store(&secrets)
		g.tls.Store(c)
		if got := outsider(t, all, called, "certificate", g); got != (i == 1) {
			t.Errorf("a node with a certificate of the %s authority is one of the cluster: %v", []string{"old", "new"}[i], got)
		}
	}
}
