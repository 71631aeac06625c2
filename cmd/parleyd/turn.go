package main

import (
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/ice"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/proxyheader"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/relay"
	"github.com/parley-rtc/parley/wsconn/clientip"
)

// newTURN starts the TURN server, if there is to be one, and makes the ICE servers
// that members are handed.
func (d *daemon) newTURN(certificates *tls.Config) error {
	c := d.config
	secret, err := newSecret("turn-secret-file", c.TURNSecretFile, asItIs, d.logs.Logger)
	if err != nil {
		return err
	}
	urls := c.ICEServers
	if c.TURN.On() {
		if secret == nil {
			own := []byte(rand.Text())
			secret = func() []byte { return own }
		}
		if d.relay, err = newRelay(d, certificates, secret); err != nil {
			return err
		}
		urls = append(append([]string(nil), urls...), d.relay.URLs()...)
	}
	if len(urls) == 0 {
		return nil
	}
	servers, err := ice.New(urls, secret, c.TURNTTL)
	if err != nil {
		return fmt.Errorf("ice-server: %w", err)
	}
	d.iceServers = servers.For
	return nil
}

func newRelay(d *daemon, certificates *tls.Config, secret func() []byte) (*relay.Server, error) {
	c := d.config
	public, err := c.TURNAddress()
	if err != nil {
		return nil, err
	}
	low, high, err := relay.ParsePorts(c.TURN.PortRange)
	if err != nil {
		return nil, err
	}
	var allow []netip.Prefix
	for _, text := range c.TURN.AllowPeers {
		p, err := clientip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		allow = append(allow, p)
	}
	var streams func(net.Listener) net.Listener
	if c.ProxyProtocol {
		streams = func(l net.Listener) net.Listener {
			return proxyheader.New(l, d.proxies.Trusts, d.logs.Logger).Named()
		}
	}
	tlsListen := c.TURN.TLSListen
	var beside net.Listener
	if d.shared != nil {
		tlsListen, beside = "", d.shared.STUN()
	}
	return relay.New(relay.Options{
		Listen: c.TURN.Listen, TLSListen: tlsListen, TLS: certificates, Beside: beside, Host: c.TURN.Host,
		PublicIP: public, PortMin: low, PortMax: high,
		Secret: secret, AllowPeers: allow, Streams: streams,
		MaxAllocations: c.TURN.MaxAllocations, MaxPerAddress: c.TURN.MaxPerIP, BytesPerSecond: c.TURN.Rate,
		Logger: d.logs.Logger,
	})
}

// turnURLs are those of the TURN server in this daemon.
func (d *daemon) turnURLs() []string {
	if d.relay == nil {
		return nil
	}
	return d.relay.URLs()
}
