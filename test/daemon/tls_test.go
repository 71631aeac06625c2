package daemon

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// certificate is a certificate for localhost, signed by itself, in files.
type certificate struct {
	certFile, keyFile string
	pool              *x509.CertPool
}

func newCertificate(t testing.TB, dir string) *certificate {
	t.Helper()
	c := &certificate{certFile: filepath.Join(dir, "cert.pem"), keyFile: filepath.Join(dir, "key.pem")}
	c.renew(t)
	return c
}

// renew puts a fresh certificate into the files.
func (c *certificate) renew(t testing.TB) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: "localhost"},
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, c.certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, c.keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	c.pool = x509.NewCertPool()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	c.pool.AddCert(cert)
}

func write(t testing.TB, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// client returns an HTTP client that trusts the certificate.
func (c *certificate) client(t testing.TB) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.pool}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// used reports whether a server has the certificate.
func (c *certificate) used(address string) bool {
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: c.pool})
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

func TestTLS(t *testing.T) {
	cert := newCertificate(t, t.TempDir())
	d := parleyd.Start(t, "--tls-cert", cert.certFile, "--tls-key", cert.keyFile)
	url := "wss://" + d.Address + "/ws"
	a := dial(t, url, cert.client(t))
	a.join("r", "a")

	// New files are used by the next handshake that comes a second later; those
	// who are in stay.
	cert.renew(t)
	fresh := func() bool { return cert.used(d.Address) }
	deadline := time.Now().Add(parleyd.Patience)
	for !fresh() {
		if time.Now().After(deadline) {
			t.Fatal("the new certificate is not used")
		}
	}
	d.Wait(t, "tls reloaded")

	// Files that are broken change nothing.
	write(t, cert.certFile, []byte("nonsense"))
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
	b := dial(t, url, cert.client(t))
	b.join("r", "b")
	a.sees("b")
	a.send(`{"type":"offer","to":"b","sdp":1}`)
	b.until(func(m message) bool { return m.Type == "offer" && m.From == "a" })
}

// A client that comes again shakes hands with its session ticket, also after the
// certificate has changed.
func TestSessionTickets(t *testing.T) {
	cert := newCertificate(t, t.TempDir())
	d := parleyd.Start(t, "--tls-cert", cert.certFile, "--tls-key", cert.keyFile)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := &tls.Config{RootCAs: cert.pool, MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
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
		cert.renew(t)
		for deadline := time.Now().Add(parleyd.Patience); !cert.used(d.Address); {
			if time.Now().After(deadline) {
				t.Fatal("the new certificate is not used")
			}
		}
		if !resumes() {
			t.Errorf("%s: after a change of the certificate a ticket is no good", tls.VersionName(version))
		}
	}
}
