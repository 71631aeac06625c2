package daemon

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/test/internal/certificate"
	"github.com/parley-rtc/parley/test/internal/parleyd"
	"github.com/parley-rtc/parley/test/internal/process"
)

const (
	ownName     = "meet.parley.test"
	blockedName = "blocked.parley.test"
)

// public is a daemon that gets its certificates from an authority.
type public struct {
	*parleyd.Daemon
	t         *testing.T
	authority *process.Authority
	plain     string // address that redirects
}

// startPublic runs a daemon for two names, of which the authority refuses one.
func startPublic(t *testing.T, seconds int, reachable func(o *process.AuthorityOptions), args ...string) *public {
	t.Helper()
	own := certificate.New(t, t.TempDir())
	secure, plain := process.FreePort(t), process.FreePort(t)
	o := process.AuthorityOptions{
		HTTPPort: plain, TLSPort: secure, Seconds: seconds, Blocked: blockedName,
		CertFile: own.CertFile, KeyFile: own.KeyFile,
	}
	reachable(&o)
	p := &public{t: t, plain: "127.0.0.1:" + plain, authority: process.StartAuthority(t, o)}
	p.Daemon = parleyd.StartAt(t, "127.0.0.1:"+secure, append([]string{
		"--acme-domain", ownName, "--acme-domain", blockedName, "--acme-directory", p.authority.Directory,
		"--acme-root", p.authority.RootFile, "--acme-dir", t.TempDir(), "--redirect-listen", p.plain,
	}, args...)...)
	return p
}

// certificate returns the one that a client gets that asks for a name; nil: none.
func (p *public) certificate(name string) *x509.Certificate {
	p.t.Helper()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: parleyd.Patience}, "tcp", p.Address, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		return nil
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}

// A certificate is obtained by either challenge alone. A refusal of the authority is
// told, and costs the other names nothing; names that are not the server's get none.
func TestACMEChallenges(t *testing.T) {
	nobody := process.FreePort(t)
	for name, reachable := range map[string]func(*process.AuthorityOptions){
		"HTTP-01":     func(o *process.AuthorityOptions) { o.TLSPort = nobody },
		"TLS-ALPN-01": func(o *process.AuthorityOptions) { o.HTTPPort = nobody },
	} {
		t.Run(name, func(t *testing.T) {
			p := startPublic(t, 3600, reachable)
			p.Wait(t, "certificate obtained", "domain", ownName, "renewal", false)
			refused := p.Wait(t, "certificate not obtained", "domain", blockedName)
			if text, _ := refused["error"].(string); !strings.Contains(text, "rejectedIdentifier") {
				t.Errorf("the reason is not told: %q", text)
			}
			deadline := time.Now().Add(parleyd.Patience)
			got := p.certificate(ownName)
			for ; got == nil && time.Now().Before(deadline); got = p.certificate(ownName) {
			}
			if got == nil || got.VerifyHostname(ownName) != nil {
				t.Fatalf("the certificate is %+v", got)
			}
			if got := p.certificate("other.parley.test"); got != nil {
				t.Errorf("a name that is not the server's got %v", got.DNSNames)
			}
			p.redirects()
			a := dial(t, "wss://"+p.Address+"/ws", &http.Client{Transport: &http.Transport{
				TLSClientConfig: &tls.Config{ServerName: ownName, InsecureSkipVerify: true},
			}})
			a.join("r", "a")
		})
	}
}

// redirects checks that plain HTTP leads to HTTPS.
func (p *public) redirects() {
	p.t.Helper()
	client := &http.Client{
		Timeout:       parleyd.Patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	request, err := http.NewRequest(http.MethodGet, "http://"+p.plain+"/page?x=1", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	request.Host = ownName
	answer, err := client.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = answer.Body.Close()
	if want := "https://" + ownName + "/page?x=1"; answer.StatusCode != http.StatusPermanentRedirect || answer.Header.Get("Location") != want {
		p.t.Errorf("%s, to %q, want %q", answer.Status, answer.Header.Get("Location"), want)
	}
}

// Certificates are renewed before they expire, without a restart. While the authority
// is down the old one stays in use, and log and metrics tell of it.
func TestACMERenewal(t *testing.T) {
	p := startPublic(t, 15, func(*process.AuthorityOptions) {})
	p.Wait(t, "certificate obtained", "domain", ownName, "renewal", false)
	p.Wait(t, "certificate obtained", "domain", ownName, "renewal", true)
	p.authority.Stop(t)
	down := p.Wait(t, "certificate not obtained", "domain", ownName, "renewal", true)
	if text, _ := down["error"].(string); !strings.Contains(text, "connection refused") {
		t.Errorf("the reason is not told: %q", text)
	}
	old := p.certificate(ownName)
	if old == nil || old.VerifyHostname(ownName) != nil {
		t.Fatalf("the old certificate is not in use: %+v", old)
	}
	_, metrics := parleyd.Get(t, p.Admin, "/metrics")
	for _, want := range []string{`parley_acme_total{result="failed"}`, `parley_certificate_not_after_seconds{name="` + ownName + `"}`} {
		_, rest, found := strings.Cut(metrics, want+" ")
		if !found || strings.HasPrefix(rest, "0\n") {
			t.Errorf("%s is not counted", want)
		}
	}
}

// The certificates that sign the authority's own are read again when their file changes.
func TestACMERootChange(t *testing.T) {
	own := certificate.New(t, t.TempDir())
	secure, plain := process.FreePort(t), process.FreePort(t)
	authority := process.StartAuthority(t, process.AuthorityOptions{
		HTTPPort: plain, TLSPort: secure, Seconds: 15, Blocked: blockedName, CertFile: own.CertFile, KeyFile: own.KeyFile,
	})
	target, err := url.Parse(authority.Directory)
	if err != nil {
		t.Fatal(err)
	}
	target.Path = ""
	front := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // of the URLs that the authority hands out
		},
		Transport: own.Client(t).Transport,
	})
	shown := certificate.New(t, t.TempDir()) // the certificate of what parleyd takes for the authority
	front.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		c, err := tls.LoadX509KeyPair(shown.CertFile, shown.KeyFile)
		return &tls.Config{Certificates: []tls.Certificate{c}}, err
	}}
	front.StartTLS()
	t.Cleanup(front.Close)

	root := filepath.Join(t.TempDir(), "root.pem")
	write(t, root, read(t, shown.CertFile))
	d := parleyd.StartAt(t, "127.0.0.1:"+secure, "--acme-domain", ownName, "--acme-directory", front.URL+"/dir",
		"--acme-root", root, "--acme-dir", t.TempDir(), "--redirect-listen", "127.0.0.1:"+plain)
	obtained := func(n int) {
		t.Helper()
		for deadline := time.Now().Add(2 * parleyd.Patience); ; time.Sleep(20 * time.Millisecond) {
			got := 0
			for _, line := range d.Lines() {
				if line["msg"] == "certificate not obtained" {
					t.Fatal(line)
				}
				if line["msg"] == "certificate obtained" {
					got++
				}
			}
			if got >= n {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d certificates were obtained, want %d", got, n)
			}
		}
	}
	obtained(1)
	next := certificate.New(t, t.TempDir())
	write(t, root, append(read(t, shown.CertFile), read(t, next.CertFile)...))
	d.Wait(t, "secret reloaded", "setting", "acme-root")
	obtained(2)
	for _, pair := range [][2]string{{next.CertFile, shown.CertFile}, {next.KeyFile, shown.KeyFile}} {
		write(t, pair[1], read(t, pair[0]))
	}
	front.CloseClientConnections()
	obtained(3)
	write(t, root, []byte("nonsense"))
	d.Wait(t, "secret not reloaded", "setting", "acme-root")
	obtained(4)
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
