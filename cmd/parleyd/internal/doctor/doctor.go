// Package doctor looks at a server from outside, as a user of it would meet it: name,
// certificate, page, WebSockets through the proxies in between, and the ICE servers that it
// hands out. Each finding has a verdict, the reason for it and what to do.
package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Verdict is what a finding says about its check.
type Verdict string

const (
	OK      Verdict = "ok"
	Warning Verdict = "warning" // works for most, or not for long
	Problem Verdict = "problem" // will not work
	Skipped Verdict = "skipped" // could not be looked at, or need not
)

// The checks, in the order in which they are reported; quiet comes last, since it takes
// long.
const (
	CheckDNS         = "dns"
	CheckIPv6        = "ipv6"
	CheckCertificate = "certificate"
	CheckPage        = "page"
	CheckWebSocket   = "websocket"
	CheckOrigin      = "origin"
	CheckJoin        = "join"
	CheckPings       = "pings"
	CheckMessages    = "messages"
	CheckICE         = "ice"
	CheckSTUN        = "stun"
	CheckTURNUDP     = "turn-udp"
	CheckTURNTCP     = "turn-tcp"
	CheckTURNTLS     = "turn-tls"
	CheckQuiet       = "quiet"
)

// Finding is the outcome of one check.
type Finding struct {
	Check   string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	Reason  string  `json:"reason"`
	Advice  string  `json:"advice,omitempty"` // what to do; empty: nothing
}

// Options say what is looked at.
type Options struct {
	// URL is that of the page, as in https://meet.example.org/. Without a scheme it is
	// https. A WebSocket URL that ends in /ws is understood, too.
	URL string

	Origin   string         // of the page that connects; empty: that of URL
	Token    string         // for the join; empty: none
	Passcode string         // likewise
	Room     string         // to join; empty: one that nobody knows
	Quiet    time.Duration  // how long a quiet connection is watched; 0: not at all
	Timeout  time.Duration  // for each step
	Roots    *x509.CertPool // authorities; nil: the system's
}

// visit is one look at a server.
type visit struct {
	Options

	base   *url.URL // of the page, ends in a slash
	tls    *tls.Config
	report func(Finding)
	lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	local  bool // the server is on this machine
	ice    []iceServer
}

// Run makes all checks, and calls report for each finding as it comes. The error says that
// the options are invalid.
func Run(ctx context.Context, o Options, report func(Finding)) error {
	v, err := newVisit(o, report)
	if err != nil {
		return err
	}
	v.run(ctx)
	return nil
}

func newVisit(o Options, report func(Finding)) (*visit, error) {
	base, err := target(o.URL)
	if err != nil {
		return nil, err
	}
	if o.Origin == "" {
		o.Origin = base.Scheme + "://" + base.Host
	}
	return &visit{
		Options: o, base: base, report: report,
		tls: &tls.Config{ServerName: base.Hostname(), RootCAs: o.Roots, NextProtos: []string{"http/1.1"}},
		lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
	}, nil
}

// target returns the URL of the page.
func target(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "wss":
		u.Scheme = "https"
	case "ws":
		u.Scheme = "http"
	case "http", "https":
	default:
		return nil, fmt.Errorf("%q: the URL must begin with https:// or http://", text)
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("%q: there is no host in the URL", text)
	}
	path := strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/ws")
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: path + "/"}, nil
}

func (v *visit) run(ctx context.Context) {
	addresses, ok := v.checkDNS(ctx)
	if !ok {
		v.skip("the host has no address", CheckIPv6, CheckCertificate, CheckPage, CheckWebSocket, CheckOrigin,
			CheckJoin, CheckPings, CheckMessages, CheckICE, CheckSTUN, CheckTURNUDP, CheckTURNTCP, CheckTURNTLS, CheckQuiet)
		return
	}
	v.checkIPv6(ctx, addresses)
	v.checkCertificate(ctx)
	v.checkPage(ctx)
	v.checkSockets(ctx)
}

func (v *visit) found(check string, verdict Verdict, advice, format string, args ...any) {
	v.report(Finding{Check: check, Verdict: verdict, Reason: fmt.Sprintf(format, args...), Advice: advice})
}

// skip reports that checks could not be made.
func (v *visit) skip(reason string, checks ...string) {
	for _, check := range checks {
		v.found(check, Skipped, "", "%s", reason)
	}
}

// secure reports whether the page is served over TLS.
func (v *visit) secure() bool { return v.base.Scheme == "https" }

// address returns host:port of the server.
func (v *visit) address() string {
	port := v.base.Port()
	switch {
	case port != "":
	case v.secure():
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(v.base.Hostname(), port)
}

// client returns an HTTP client that follows no redirections.
func (v *visit) client() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: v.tls.Clone(), DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
