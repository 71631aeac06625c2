package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/relay"
	"github.com/parley-rtc/parley/hub/cluster/broker"
	"github.com/parley-rtc/parley/wsconn/clientip"
)

// This file checks the settings of the parts that can be left out: tokens,
// webhooks, the TURN server, the cluster.

func (c *Config) checkAuth() error {
	if !c.Auth.On() {
		for _, s := range []struct {
			name string
			set  bool
		}{
			{"auth-optional", c.Auth.Optional},
			{"auth-issuer", c.Auth.Issuer != ""},
			{"auth-audience", c.Auth.Audience != ""},
		} {
			if s.set {
				return fmt.Errorf("%s: there is no auth-secret-file or auth-jwks to check tokens with", s.name)
			}
		}
	}
	if err := c.Rooms.Check(c.Auth.On()); err != nil {
		return fmt.Errorf("%s: %w", roomsKey, err)
	}
	return nil
}

// maxWebhookTimeout keeps a join from holding its connection for longer than pings
// may go unanswered.
const maxWebhookTimeout = 8 * time.Second

// isHTTP reports whether a value is an http or https URL.
func isHTTP(value string) bool {
	u, err := url.Parse(value)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func (c *Config) checkWebhooks() error {
	w := &c.Webhooks
	for name, value := range map[string]string{"join-webhook": w.Join, "event-webhook": w.Event} {
		if value == "" {
			continue
		}
		if !isHTTP(value) {
			return fmt.Errorf("%s: this is not an http or https URL", name)
		}
	}
	switch {
	case w.On() && w.SecretFile == "":
		return errors.New("webhook-secret-file: webhooks are signed, and need it")
	case !w.On() && w.SecretFile != "":
		return errors.New("webhook-secret-file: there is no webhook to sign")
	case w.FailOpen && w.Join == "":
		return errors.New("join-webhook-fail-open: there is no join-webhook")
	case w.Timeout > maxWebhookTimeout:
		return fmt.Errorf("join-webhook-timeout: %s is more than %s", w.Timeout, maxWebhookTimeout)
	}
	return nil
}

func (c *Config) checkTURN() error {
	t := &c.TURN
	for name, value := range map[string]string{"turn-listen": t.Listen, "turn-tls-listen": t.TLSListen} {
		if value == "" {
			continue
		}
		if err := address(name, value); err != nil {
			return err
		}
	}
	if _, _, err := relay.ParsePorts(t.PortRange); err != nil {
		return fmt.Errorf("turn-port-range: %w", err)
	}
	for _, p := range t.AllowPeers {
		if _, err := clientip.ParsePrefix(p); err != nil {
			return fmt.Errorf("turn-allow-peer: %q is not an address or a prefix", p)
		}
	}
	if !t.On() {
		switch {
		case len(c.ICEServers) == 0 && c.TURNSecretFile != "":
			return errors.New("turn-secret-file: there is no ice-server and no turn-listen to use it for")
		case len(t.PublicIPs) > 0 || t.Host != "" || len(t.AllowPeers) > 0:
			return errors.New("turn-public-ip, turn-host and turn-allow-peer are for turn-listen or turn-tls-listen")
		}
		return nil
	}
	if t.TLSListen != "" && !c.TLS() {
		return errors.New("turn-tls-listen: it needs acme-domain, or tls-cert and tls-key")
	}
	_, _, err := c.TURNAddresses()
	return err
}

// Auto, in place of an address, has the daemon find its own.
const Auto = "auto"

// TURNAddresses returns the addresses at which relayed addresses are reached, at most
// one of each family: what turn-public-ip says, or the one that the server listens on.
// auto: they are to be found.
func (c *Config) TURNAddresses() (all []netip.Addr, auto bool, err error) {
	given := c.TURN.PublicIPs
	if slices.Contains(given, Auto) {
		if len(given) > 1 {
			return nil, false, errors.New("turn-public-ip: auto can't be combined with an address")
		}
		return nil, true, nil
	}
	for _, text := range given {
		a, err := netip.ParseAddr(text)
		if err != nil || a.IsUnspecified() || a.Zone() != "" {
			return nil, false, fmt.Errorf("turn-public-ip: %q is not an IP address", text)
		}
		a = a.Unmap()
		if slices.ContainsFunc(all, func(other netip.Addr) bool { return other.Is4() == a.Is4() }) {
			return nil, false, fmt.Errorf("turn-public-ip: %q is the second of its family: give one of IPv4 and one of IPv6", text)
		}
		all = append(all, a)
	}
	if len(all) > 0 {
		return all, false, nil
	}
	for _, l := range []string{c.TURN.Listen, c.TURN.TLSListen} {
		host, _, err := net.SplitHostPort(l)
		if err != nil {
			continue
		}
		if a, err := netip.ParseAddr(host); err == nil && !a.IsUnspecified() {
			return []netip.Addr{a.Unmap()}, false, nil
		}
	}
	return nil, false, errors.New("turn-public-ip: set it, unless the TURN server listens on one address only")
}

// checkNATS checks what goes with an external NATS server, and what does not.
func (k *Cluster) checkNATS() error {
	if k.Listen != "" {
		return errors.New("cluster-nats and cluster-listen exclude each other")
	}
	for name, set := range map[string]bool{
		"cluster-peer": len(k.Peers) > 0, "cluster-dir": k.Dir != "", "cluster-secret-file": k.SecretFile != "",
	} {
		if set {
			return fmt.Errorf("%s goes with cluster-listen, not with cluster-nats", name)
		}
	}
	if (k.TLSCert == "") != (k.TLSKey == "") || k.TLSCert != "" && k.TLSCA == "" {
		return errors.New("cluster-tls-cert needs cluster-tls-key and cluster-tls-ca")
	}
	return nil
}

func (c *Config) checkCluster() error {
	k := &c.Cluster
	if !k.On() {
		for name, set := range map[string]bool{
			"cluster-peer": len(k.Peers) > 0, "cluster-dir": k.Dir != "", "cluster-secret-file": k.SecretFile != "",
			"cluster-tls-cert": k.TLSCert != "", "cluster-tls-ca": k.TLSCA != "", "cluster-nats-creds": k.NATSCreds != "",
			"cluster-direct-listen": k.Direct != Auto, "cluster-direct-advertise": len(k.Advertise) > 0,
		} {
			if set {
				return fmt.Errorf("%s: there is no cluster-listen or cluster-nats", name)
			}
		}
		return nil
	}
	for name, value := range map[string]string{"cluster": k.Name, "node": k.Node} {
		if !broker.Name.MatchString(value) {
			return fmt.Errorf("%s: %q is not 1 to 64 letters, digits, \"_\" and \"-\"", name, value)
		}
	}
	if k.Direct != Auto && k.Direct != Off {
		if err := address("cluster-direct-listen", k.Direct); err != nil {
			return err
		}
	}
	for _, a := range k.Advertise {
		if err := address("cluster-direct-advertise", a); err != nil {
			return err
		}
		if k.DirectListen() == "" {
			return errors.New("cluster-direct-advertise: there is no cluster-direct-listen")
		}
	}
	if len(k.NATS) > 0 {
		return k.checkNATS()
	}
	for _, a := range append([]string{k.Listen}, k.Peers...) {
		if err := address("cluster-listen, cluster-peer", a); err != nil {
			return err
		}
	}
	tls := []string{k.TLSCert, k.TLSKey, k.TLSCA}
	switch {
	case slices.Contains(tls, "") && slices.ContainsFunc(tls, func(s string) bool { return s != "" }):
		return errors.New("cluster-tls-cert, cluster-tls-key and cluster-tls-ca go together")
	case k.SecretFile == "" && k.TLSCert == "" && !loopback(k.Listen):
		return fmt.Errorf("cluster-listen: %q is not on loopback: that needs cluster-secret-file", k.Listen)
	case k.Dir == "" && !loopback(k.Listen):
		return fmt.Errorf("cluster-listen: %q is not on loopback: that needs cluster-dir, where this node keeps what it has voted for", k.Listen)
	case len(k.Peers) == 0:
		return errors.New("cluster-listen: there is no cluster-peer, the address of another node")
	case len(k.Peers) == 1 && isIP(k.Peers[0]):
		return errors.New("cluster-peer: a cluster of two can't survive the loss of either node: name a third, or use cluster-nats")
	}
	return nil
}

// isIP reports whether an address names one machine, and not perhaps several.
func isIP(address string) bool {
	host, _, _ := net.SplitHostPort(address) // has been checked
	return net.ParseIP(host) != nil
}
