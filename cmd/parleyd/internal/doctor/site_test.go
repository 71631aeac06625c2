package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/ice"
	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/web"
	"github.com/parley-rtc/parley/wsconn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a server that can be broken in many ways.
type site struct {
	options wsconn.Options
	ice     []string                                         // URLs; nil: none are handed out
	secret  string                                           // of TURN credentials
	wrap    func(http.Handler) http.Handler                  // as a proxy does; nil: nothing
	tls     func(*tls.Config)                                // changes the server's; nil: nothing
	front   func(t *testing.T, backend string) (addr string) // stands before a plain server; nil: TLS and no front
	visit   func(*visit)                                     // changes the look; nil: nothing
}

// look starts the site and returns what is found, by check.
func (s site) look(t *testing.T) map[string][]Finding {
	t.Helper()
	h, err := hub.New(hub.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s.ice != nil {
		servers, err := ice.New(s.ice, nil, func() [][]byte { return [][]byte{[]byte(s.secret)} }, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		s.options.ICEServers = servers.For
	}
	if s.options.PingInterval == 0 {
		s.options.PingInterval = 10 * time.Millisecond // one comes while a connection is quiet
	}
	handler, err := wsconn.NewHandler(h, s.options)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/ws", handler)
	mux.Handle("/", web.Handler())
	var root http.Handler = mux
	if s.wrap != nil {
		root = s.wrap(mux)
	}
	server := httptest.NewUnstartedServer(root)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(func() {
		_ = handler.Close()
		server.Close()
	})
	if s.front != nil {
		server.Start()
		return s.visitAt(t, "http://"+s.front(t, server.Listener.Addr().String()), nil)
	}
	server.TLS = new(tls.Config)
	if s.tls != nil {
		s.tls(server.TLS)
	}
	server.StartTLS()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return s.visitAt(t, server.URL, roots)
}

func (s site) visitAt(t *testing.T, url string, roots *x509.CertPool) map[string][]Finding {
	t.Helper()
	found := map[string][]Finding{}
	v, err := newVisit(Options{URL: url, Roots: roots, Quiet: time.Second, Timeout: 20 * time.Second}, func(f Finding) {
		found[f.Check] = append(found[f.Check], f)
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.visit != nil {
		s.visit(v)
	}
	v.run(t.Context())
	return found
}
