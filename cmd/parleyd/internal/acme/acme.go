// Package acme obtains the daemon's certificates from an ACME authority (RFC 8555) and
// renews them, on github.com/caddyserver/certmagic: when the authority says so (ARI,
// RFC 9773), else when a third of the lifetime is left. A certificate stays in use
// while its renewal fails.
package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// Options say which certificates are needed and where they come from.
type Options struct {
	Domains   []string // one certificate each; the first is served to clients that name none
	Dir       string   // keeps the account, keys and certificates
	Directory string   // URL of the authority; empty: Let's Encrypt
	RootFile  string   // certificates (PEM) that may have signed the authority's own; empty: the system's
	Email     string   // that the authority writes to; may be empty

	// RootRead is called when RootFile has changed and was read again, or could not be: then
	// what it had before stays in force. It may be nil.
	RootRead func(error)
	Logger   *zap.Logger // nil: none
}

// The events that this package logs.
const (
	EventObtained = "certificate obtained"     // domain, renewal, not_after
	EventFailed   = "certificate not obtained" // domain, renewal, error: tried again; an old one stays in use
)

// checkInterval is the time between two looks at what has to be renewed. It bounds how
// short-lived certificates may be, and costs next to nothing.
const checkInterval = 5 * time.Second

// challengeProtocol is the protocol by which authorities ask for TLS-ALPN-01 (RFC 8737).
const challengeProtocol = "acme-tls/1"

// Stats are counters that may be read at any time.
type Stats struct {
	Obtained atomic.Uint64 // certificates, renewed ones included
	Failed   atomic.Uint64 // attempts
}

// Manager keeps the certificates. Its methods may be called from any goroutine after
// [Manager.Start].
type Manager struct {
	// Stats counts what the manager does.
	Stats Stats

	options Options
	log     *zap.Logger
	cache   *certmagic.Cache
	config  *certmagic.Config
	issuer  *certmagic.ACMEIssuer // answers challenges
	stop    context.CancelFunc
	ctx     context.Context
}

// New makes a manager that does nothing yet. The error is for people.
func New(o Options) (*Manager, error) {
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.RootRead == nil {
		o.RootRead = func(error) {}
	}
	m := &Manager{options: o, log: o.Logger}
	if err := writable(o.Dir); err != nil {
		return nil, fmt.Errorf("acme-dir: %w", err)
	}
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return m.config, nil },
		RenewCheckInterval: checkInterval,
		Logger:             zap.NewNop(),
	})
	m.config = certmagic.New(m.cache, certmagic.Config{
		Storage:           &certmagic.FileStorage{Path: o.Dir},
		DefaultServerName: o.Domains[0],
		OnEvent:           m.event,
		ShouldEmitFunc:    func(name string) bool { return name == obtained || name == failed },
		Logger:            zap.NewNop(),
	})
	return m, nil
}

// writable makes a folder, and reports why nothing can be kept in it. certmagic would give
// up without a word.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "try-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// Start begins to obtain what is missing and to renew what is old. The authority
// reaches the domains at the address secure, by TLS-ALPN-01, and at the address plain,
// by HTTP-01; nil: not at all. [Manager.TLS] and [Manager.Challenges] have to serve
// there from now on. The error is for people.
func (m *Manager) Start(secure, plain net.Addr) error {
	template := certmagic.ACMEIssuer{
		CA: m.options.Directory, Email: m.options.Email, Agreed: true,
		DisableHTTPChallenge: plain == nil,
		Logger:               zap.NewNop(),
	}
	template.ListenHost, template.AltTLSALPNPort = hostPort(secure)
	if plain != nil {
		_, template.AltHTTPPort = hostPort(plain)
	}
	m.issuer = certmagic.NewACMEIssuer(m.config, template)
	m.config.Issuers = []certmagic.Issuer{m.issuer}
	if m.options.RootFile != "" {
		a, err := m.authority(template)
		if err != nil {
			return err
		}
		m.config.Issuers = []certmagic.Issuer{a}
	}
	// It only fails for wildcards, which the settings do not allow.
	return m.config.ManageAsync(m.ctx, m.options.Domains)
}

func hostPort(a net.Addr) (host string, port int) {
	host, text, _ := net.SplitHostPort(a.String())
	port, _ = strconv.Atoi(text)
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = ""
	}
	return host, port
}

// TLS returns the configuration for servers.
func (m *Manager) TLS() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: m.config.GetCertificate,
		NextProtos:     []string{"http/1.1", challengeProtocol},
	}
}

// Challenges answers the authority's HTTP-01 requests, and passes all others on.
func (m *Manager) Challenges(next http.Handler) http.Handler {
	return m.issuer.HTTPChallengeHandler(next)
}

// Certificates returns those that are in use, of each domain that has one the newest.
func (m *Manager) Certificates() (list []*x509.Certificate) {
	for _, domain := range m.options.Domains {
		if leaf := m.leaf(domain); leaf != nil {
			list = append(list, leaf)
		}
	}
	return list
}

func (m *Manager) leaf(domain string) (newest *x509.Certificate) {
	for _, c := range m.cache.AllMatchingCertificates(domain) {
		if c.Leaf != nil && (newest == nil || c.Leaf.NotAfter.After(newest.NotAfter)) {
			newest = c.Leaf
		}
	}
	return newest
}

// Close ends all attempts. Certificates can still be served.
func (m *Manager) Close() {
	m.stop()
	m.cache.Stop()
}

// The events of certmagic that are listened to.
const (
	obtained = "cert_obtained"
	failed   = "cert_failed"
)

// event is called by certmagic on the goroutine that does the work.
func (m *Manager) event(ctx context.Context, name string, data map[string]any) error {
	domain, _ := data["identifier"].(string)
	renewal, _ := data["renewal"].(bool)
	fields := []zap.Field{zap.String("domain", domain), zap.Bool("renewal", renewal)}
	switch name {
	case obtained:
		m.Stats.Obtained.Add(1)
		path, _ := data["certificate_path"].(string)
		m.log.Info(EventObtained, append(fields, zap.Time("not_after", m.notAfter(ctx, path)))...)
	case failed:
		err, _ := data["error"].(error)
		if errors.Is(err, context.Canceled) {
			return nil
		}
		m.Stats.Failed.Add(1)
		m.log.Warn(EventFailed, append(fields, zap.Error(err))...)
	}
	return nil
}

// notAfter returns how long a stored certificate is good for; zero: it can't be read.
func (m *Manager) notAfter(ctx context.Context, path string) time.Time {
	text, err := m.config.Storage.Load(ctx, path)
	if err != nil {
		return time.Time{}
	}
	chain, _ := pem.Decode(text) // the first certificate is the domain's
	if chain == nil {
		return time.Time{}
	}
	leaf, err := x509.ParseCertificate(chain.Bytes)
	if err != nil {
		return time.Time{}
	}
	return leaf.NotAfter
}
