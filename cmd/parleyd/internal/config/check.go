package config

import (
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/parley-rtc/parley/wsconn"
	"github.com/parley-rtc/parley/wsconn/clientip"
)

// minQueueOver is what an outbox must hold besides the longest message: the
// answers and the membership that come with it.
const minQueueOver = 4 << 10

// check returns the first fault: a value that cannot work, or settings that contradict
// each other.
func (c *Config) check() error {
	for _, check := range []func() error{
		c.checkListeners, c.checkPage, c.checkNumbers, c.checkDurations, c.checkWords, c.checkAuth, c.checkWebhooks, c.checkTURN, c.checkCluster,
		c.checkDialects, c.checkTaken,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) checkListeners() error {
	if _, err := c.Addresses(); err != nil {
		return err
	}
	if c.AdminListen != "" {
		if err := address("admin-listen", c.AdminListen); err != nil {
			return err
		}
		if c.AdminToken == "" && !loopback(c.AdminListen) {
			return fmt.Errorf("admin-listen: %q is not on loopback: that needs admin-token-file", c.AdminListen)
		}
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return fmt.Errorf("tls-cert and tls-key go together")
	}
	if c.Redirect != "" {
		if err := address("redirect-listen", c.Redirect); err != nil {
			return err
		}
		if !c.TLS() {
			return fmt.Errorf("redirect-listen: there is no HTTPS to redirect to: that needs acme-domain or tls-cert")
		}
	}
	return c.checkACME()
}

// hostName is a name of at least two labels, the last of which is no number.
var hostName = regexp.MustCompile(`^(?i)([a-z0-9_]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?$`)

func (c *Config) checkACME() error {
	a := &c.ACME
	if !a.On() {
		if a.Dir != "" || a.Directory != "" || a.Root != "" || a.Mail != "" {
			return fmt.Errorf("acme-dir, acme-directory, acme-root and acme-email are for acme-domain")
		}
		return nil
	}
	for i, name := range a.Domains {
		if strings.HasPrefix(name, "*.") {
			return fmt.Errorf("acme-domain: %q: list each name: a wildcard certificate needs a change to the DNS, which parleyd does not make", name)
		}
		if !hostName.MatchString(name) {
			return fmt.Errorf("acme-domain: %q is not a host name as in meet.example.org", name)
		}
		if slices.Contains(a.Domains[:i], name) {
			return fmt.Errorf("acme-domain: %q appears twice", name)
		}
	}
	if u, err := url.Parse(a.Directory); a.Directory != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		return fmt.Errorf("acme-directory: %q is not an https URL", a.Directory)
	}
	if m, err := mail.ParseAddress(a.Mail); a.Mail != "" && (err != nil || m.Address != a.Mail) {
		return fmt.Errorf("acme-email: %q is not an address as in admin@example.org", a.Mail)
	}
	switch {
	case c.TLSCert != "":
		return fmt.Errorf("acme-domain and tls-cert exclude each other")
	case a.Dir == "":
		return fmt.Errorf("acme-domain: that needs acme-dir or state-dir, where certificates are kept")
	}
	return nil
}

// loopback reports whether an address can be reached from this machine only.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func address(name, value string) error {
	_, port, err := net.SplitHostPort(value)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%s: %q is not host:port", name, value)
	}
	return nil
}

func (c *Config) checkNumbers() error {
	for _, n := range []struct {
		name       string
		value, min int
	}{
		{"max-message-bytes", c.MaxMessageBytes, 1},
		{"max-connections", c.MaxConnections, 0},
		{"max-rooms", c.MaxRooms, 0},
		{"max-room-members", c.MaxRoomMembers, 0},
		{"max-connections-per-ip", c.PerIP, 0},
		{"connect-rate-per-ip", c.ConnectRate, 0},
		{"rate", c.Rate, 0},
		{"burst", c.Burst, 1},
		{"rate-bytes", c.RateBytes, 0},
		{"burst-bytes", c.BurstBytes, 1},
		{"rate-changes", c.RateChanges, 0},
		{"burst-changes", c.BurstChanges, 1},
		{"rate-fan-out", c.RateFanOut, 0},
		{"burst-fan-out", c.BurstFanOut, 1},
		{"turn-max-allocations", c.TURN.MaxAllocations, 0},
		{"turn-max-allocations-per-ip", c.TURN.MaxPerIP, 0},
		{"turn-rate", c.TURN.Rate, 0},
	} {
		if n.value < n.min {
			return fmt.Errorf("%s: %d is less than %d", n.name, n.value, n.min)
		}
	}
	if least := c.MaxMessageBytes + minQueueOver; c.QueueBytes < least {
		return fmt.Errorf("queue-bytes: %d is less than %d, the sum of max-message-bytes and %d", c.QueueBytes, least, minQueueOver)
	}
	return nil
}

func (c *Config) checkDurations() error {
	for _, d := range []struct {
		name       string
		value, min time.Duration
	}{
		{"ping-interval", c.PingInterval, 0},
		{"ping-timeout", c.PingTimeout, time.Millisecond},
		{"join-timeout", c.JoinTimeout, 0},
		{"resume-window", c.ResumeWindow, 0},
		{"drain-delay", c.DrainDelay, 0},
		{"drain-timeout", c.DrainTimeout, 0},
		{"kick-ban", c.KickBan, 0},
		{"auth-jwks-refresh", c.Auth.Refresh, time.Second},
		{"join-webhook-timeout", c.Webhooks.Timeout, time.Millisecond},
		{"join-webhook-cache", c.Webhooks.Cache, 0},
		{"turn-ttl", c.TURNTTL, time.Second},
	} {
		if d.value < d.min {
			return fmt.Errorf("%s: %s is less than %s", d.name, d.value, d.min)
		}
	}
	return nil
}

// basePath is one that needs no escapes.
var basePath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)*$`)

// ancestor is a source that may frame a page (CSP Level 3): an origin, with a wildcard for
// names below one.
var ancestor = regexp.MustCompile(`^https?://(\*\.)?[A-Za-z0-9.-]+(:[0-9]+|:\*)?$`)

func (c *Config) checkPage() error {
	if !basePath.MatchString(c.BasePath) || strings.Contains(c.BasePath, "/.") {
		return fmt.Errorf("base-path: %q is not a path as in /parley", c.BasePath)
	}
	for _, a := range c.Ancestors {
		if !ancestor.MatchString(a) {
			return fmt.Errorf("frame-ancestor: %q is not an origin as in https://portal.example.org", a)
		}
	}
	return nil
}

func (c *Config) checkWords() error {
	for _, p := range c.AllowOrigins {
		if err := wsconn.CheckOrigin(p); err != nil {
			return fmt.Errorf("allow-origin: %w", err)
		}
		if _, host, whole := strings.Cut(p, "://"); strings.Contains(host, "/") || !whole && strings.Contains(p, "/") {
			return fmt.Errorf("allow-origin: %q has a path, which no origin has: leave out what follows the host", p)
		}
	}
	for _, p := range c.TrustedProxies {
		if _, err := clientip.ParseProxies([]string{p}); err != nil {
			return fmt.Errorf("trusted-proxy: %q is not an address, a prefix or unix", p)
		}
	}
	if c.ProxyProtocol && len(c.TrustedProxies) == 0 {
		return fmt.Errorf("proxy-protocol: there is no trusted-proxy that could send the header")
	}
	if level, err := zapcore.ParseLevel(c.LogLevel); err != nil || level > zapcore.ErrorLevel {
		return fmt.Errorf("log-level: %q is not debug, info, warn or error", c.LogLevel)
	}
	if c.LogFormat != "json" && c.LogFormat != "console" {
		return fmt.Errorf("log-format: %q is not json or console", c.LogFormat)
	}
	return nil
}
