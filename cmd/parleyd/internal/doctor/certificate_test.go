package doctor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"
)

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// issue returns a certificate for localhost, signed by a; nil: by itself.
func (a *authority) issue(t *testing.T, change func(*x509.Certificate)) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: t.Name() + time.Now().String()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true,
	}
	if change != nil {
		change(template)
	}
	by := &authority{template, key}
	if a != nil {
		by = a
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.certificate, &key.PublicKey, by.key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{parsed, key}
}

func isCA(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign }

// chain is what a server shows, of itself and then the authorities between.
func (a *authority) chain(between ...*authority) tls.Certificate {
	c := tls.Certificate{Certificate: [][]byte{a.certificate.Raw}, PrivateKey: a.key}
	for _, b := range between {
		c.Certificate = append(c.Certificate, b.certificate.Raw)
	}
	return c
}

// Certificates that browsers refuse are found, with what is wrong; all else is still looked
// at.
func TestCertificates(t *testing.T) {
	var none *authority
	root := none.issue(t, isCA)
	between := root.issue(t, isCA)
	roots := x509.NewCertPool()
	roots.AddCert(root.certificate)
	day := 24 * time.Hour
	for _, c := range []struct {
		name           string
		shown          tls.Certificate
		verdict        Verdict
		reason, advice string
	}{
		{"good", between.issue(t, nil).chain(between), OK, "89 more days", ""},
		{"expired", root.issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }).chain(), Problem, "expired", "Renew"},
		{"not yet valid", root.issue(t, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(day) }).chain(), Problem, "not yet valid", "clocks"},
		{"soon over", root.issue(t, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Now().Add(-80*day), time.Now().Add(10*day) }).chain(), Warning, "9 more days", "renewal"},
		{"short, and fresh", root.issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(6 * day) }).chain(), OK, "5 more days", ""},
		{"for another name", root.issue(t, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"other.example"} }).chain(), Problem, "127.0.0.1", "this name"},
		{"of nobody", none.issue(t, nil).chain(), Problem, "unknown authority", "--ca-file"},
		{"without its chain", between.issue(t, nil).chain(), Problem, "unknown authority", "fullchain.pem"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := site{
				tls:   func(config *tls.Config) { config.Certificates = []tls.Certificate{c.shown} },
				visit: func(v *visit) { v.Roots, v.tls.RootCAs, v.Quiet = roots, roots, 0 },
			}
			found := s.look(t)
			wantFinding(t, found, CheckCertificate, c.verdict, c.reason, c.advice)
			wantFinding(t, found, CheckMessages, OK, "", "")
		})
	}
}

// A page without HTTPS gets no camera, but on the same machine.
func TestNoTLS(t *testing.T) {
	for host, want := range map[string]Verdict{"localhost": Skipped, "192.0.2.1": Problem, "meet.example.org": Problem} {
		var found []Finding
		v, err := newVisit(Options{URL: "http://" + host}, func(f Finding) { found = append(found, f) })
		if err != nil {
			t.Fatal(err)
		}
		v.lookup = func(context.Context, string) ([]netip.Addr, error) {
			if host == "localhost" {
				return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}, nil
			}
			return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
		}
		v.Timeout = time.Second
		v.checkDNS(t.Context())
		v.checkCertificate(t.Context())
		if last := found[len(found)-1]; last.Check != CheckCertificate || last.Verdict != want {
			t.Errorf("%s: %+v, want %s", host, last, want)
		}
	}
}

// An IPv6 address that does not answer is found, where this machine has IPv6.
func TestIPv6(t *testing.T) {
	listener, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6")
	}
	look := func() Finding {
		var found Finding
		v, err := newVisit(Options{URL: "https://" + listener.Addr().String(), Timeout: 10 * time.Second}, func(f Finding) { found = f })
		if err != nil {
			t.Fatal(err)
		}
		v.checkIPv6(t.Context(), []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")})
		return found
	}
	if f := look(); f.Verdict != OK {
		t.Errorf("an address that answers: %+v", f)
	}
	_ = listener.Close()
	if f := look(); f.Verdict != Problem || f.Advice == "" {
		t.Errorf("an address that does not answer: %+v", f)
	}
}

// A port that does not speak TLS is told from one at which nobody listens.
func TestHandshakesThatFail(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
			_ = conn.Close()
		}
	}()
	s := site{visit: func(v *visit) { v.base.Host = listener.Addr().String() }}
	wantFinding(t, s.look(t), CheckCertificate, Problem, "does not speak TLS", "http://")
	_ = listener.Close()
	<-done
	wantFinding(t, s.look(t), CheckCertificate, Problem, "does not answer", "firewall")
}
