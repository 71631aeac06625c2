package broker

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parley-rtc/parley/hub/cluster"
)

// external runs a NATS server with JetStream, and returns its URL.
func external(t *testing.T, o *server.Options) string {
	t.Helper()
	o.Host, o.Port, o.JetStream, o.StoreDir, o.NoLog, o.NoSigs = "127.0.0.1", server.RANDOM_PORT, true, t.TempDir(), true, true
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	return s.ClientURL()
}

// permissions is what a node needs of an external server, as the deployment guide says.
func permissions(name string) *server.Permissions {
	bucket := "KV_parley_" + name
	return &server.Permissions{
		Publish: &server.SubjectPermission{Allow: []string{
			"parley." + name + ".>", "$KV.parley_" + name + ".>", "$JS.API.INFO",
			"$JS.API.STREAM.INFO." + bucket, "$JS.API.STREAM.CREATE." + bucket, "$JS.API.STREAM.UPDATE." + bucket,
			"$JS.API.CONSUMER.CREATE." + bucket + ".>", "$JS.API.CONSUMER.DELETE." + bucket + ".>",
			"$JS.API.DIRECT.GET." + bucket + ".>", "$JS.FC." + bucket + ".>",
		}},
		Subscribe: &server.SubjectPermission{Allow: []string{"parley." + name + ".*", "_INBOX.>"}},
	}
}

// A node works with an external server that asks for a certificate, and lets it do no more
// than the guide says.
func TestExternal(t *testing.T) {
	ca := newAuthority(t)
	secured := ca.config(t)
	own, err := ca.config(t).GetClientCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	node := &tls.Config{Certificates: []tls.Certificate{*own}, RootCAs: secured.RootCAs}
	url := external(t, &server.Options{
		TLS: true, TLSVerify: true, TLSTimeout: 5, TLSConfig: secured, MaxPayload: 1 << 20,
		Users: []*server.User{{Username: "parley", Password: "open", Permissions: permissions("test")}},
	})
	_, address, _ := strings.Cut(url, "://")
	core, logged := observer.New(zap.WarnLevel)
	var all []*Broker
	packets := make(chan string, 10)
	for i := range 2 {
		b, err := New(Options{
			Cluster: "test", Node: fmt.Sprint("n", i), URLs: []string{"nats://parley:open@" + address}, Logger: zap.New(core),
			TLS: func() *tls.Config { return node },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		if err := b.Start(func(p []byte) { packets <- string(p) }, func(cluster.Entry) {}, func() {}); err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	for i, b := range all {
		if _, err := put(t, b, fmt.Sprint("node.", i), "x", 0); err != nil {
			t.Error(err)
		}
	}
	all[0].Send("n1", []byte("hello"))
	select {
	case <-packets:
	case <-time.After(patience):
		t.Error("no packet has come")
	}
	for _, entry := range logged.All() {
		t.Errorf("%s: %v", entry.Message, entry.ContextMap())
	}
}

// Three servers that are all named are three, whether or not they are reached at the moment: the
// register is to have three copies.
func TestExternalCopies(t *testing.T) {
	url := external(t, new(server.Options))
	b, err := New(Options{
		Cluster: "test", Node: "a", URLs: []string{url, "nats://127.0.0.1:1", "nats://127.0.0.1:2"}, Logger: zap.NewNop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if n := b.copies(); n != 3 {
		t.Errorf("the register is to have %d copies", n)
	}
}

// A server whose authority is not the one that is named is not worked with, and the log says
// why.
func TestExternalStranger(t *testing.T) {
	ours, others := newAuthority(t), newAuthority(t)
	url := external(t, &server.Options{TLS: true, TLSTimeout: 5, TLSConfig: others.config(t)})
	core, logged := observer.New(zap.InfoLevel)
	b, err := New(Options{Cluster: "test", Node: "a", URLs: []string{url}, Logger: zap.New(core), TLS: func() *tls.Config { return ours.config(t) }})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Start(func([]byte) {}, func(cluster.Entry) {}, func() {}); err != nil {
		t.Fatal(err)
	}
	soon(t, "the log does not say why", func() bool {
		for _, line := range logged.FilterMessage(EventWaiting).All() {
			if text, is := line.ContextMap()["error"].(string); is && strings.Contains(text, "certificate") {
				return true
			}
		}
		return false
	})
	if b.conn.IsConnected() {
		t.Error("it is connected")
	}
}
