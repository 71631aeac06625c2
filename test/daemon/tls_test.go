package daemon

import (
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/parley-rtc/parley/test/internal/certificate"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

func write(t testing.TB, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTLS(t *testing.T) {
	cert := certificate.New(t, t.TempDir())
	d := parleyd.Start(t, "--tls-cert", cert.CertFile, "--tls-key", cert.KeyFile)
	url := "wss://" + d.Address + "/ws"
	a := dial(t, url, cert.Client(t))
	a.join("r", "a")

	// New files are used by the next handshake that comes a second later; those
	// who are in stay.
	cert.Renew(t)
	fresh := func() bool { return cert.Used(d.Address) }
	deadline := time.Now().Add(parleyd.Patience)
	for !fresh() {
		if time.Now().After(deadline) {
			t.Fatal("the new certificate is not used")
		}
	}
	d.Wait(t, "tls reloaded")

	// Files that are broken change nothing.
	write(t, cert.CertFile, []byte("nonsense"))
	for failed := false; !failed; {
		if !fresh() {
			t.Fatal("a broken file took the certificate away")
		}
		for _, line := range d.Lines() {
			failed = failed || line["msg"] == "tls not reloaded"
		}
		if time.Now().After(deadline) {
			t.Fatal("a broken file is not logged")
		}
	}
	b := dial(t, url, cert.Client(t))
	b.join("r", "b")
	a.sees("b")
	a.send(`{"type":"offer","to":"b","sdp":1}`)
	b.until(func(m message) bool { return m.Type == "offer" && m.From == "a" })
}

// A client that comes again shakes hands with its session ticket, also after the
// certificate has changed.
func TestSessionTickets(t *testing.T) {
	cert := certificate.New(t, t.TempDir())
	d := parleyd.Start(t, "--tls-cert", cert.CertFile, "--tls-key", cert.KeyFile)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := &tls.Config{RootCAs: cert.Pool, MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
		resumes := func() bool {
			transport := &http.Transport{TLSClientConfig: config}
			defer transport.CloseIdleConnections()
			resp, err := (&http.Client{Transport: transport}).Get("https://" + d.Address + "/healthz")
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body) // the ticket comes before it
			_ = resp.Body.Close()
			return resp.TLS.DidResume
		}
		if resumes() {
			t.Errorf("%s: the first handshake is one with a ticket", tls.VersionName(version))
		}
		if !resumes() {
			t.Errorf("%s: the second handshake is one without a ticket", tls.VersionName(version))
		}
		cert.Renew(t)
		for deadline := time.Now().Add(parleyd.Patience); !cert.Used(d.Address); {
			if time.Now().After(deadline) {
				t.Fatal("the new certificate is not used")
			}
		}
		if !resumes() {
			t.Errorf("%s: after a change of the certificate a ticket is no good", tls.VersionName(version))
		}
	}
}
