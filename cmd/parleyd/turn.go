package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/ice"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/proxyheader"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/publicip"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/relay"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/state"
	"github.com/parley-rtc/parley/wsconn/clientip"
)

// newTURN starts the TURN server, if there is to be one, and makes the ICE servers
// that members are handed.
func (d *daemon) newTURN(certificates *tls.Config) error {
	c := d.config
	secrets, err := d.turnSecrets()
	if err != nil {
		return err
	}
	if c.TURN.On() {
		if d.relay, err = newRelay(d, certificates, secrets); err != nil {
			return err
		}
	}
	own := d.turnURLs()
	if len(c.ICEServers)+len(own) == 0 {
		return nil
	}
	servers, err := ice.New(c.ICEServers, own, secrets, c.TURNTTL)
	if err != nil {
		return fmt.Errorf("ice-server: %w", err)
	}
	d.iceServers = servers.For
	return nil
}

// turnSecrets returns the secrets of credentials: those in the file, one a line, or else
// one that this daemon keeps; nil: there are none.
func (d *daemon) turnSecrets() (func() [][]byte, error) {
	c := d.config
	text, err := newSecret("turn-secret-file", c.TURNSecretFile, asItIs, d.logs.Logger)
	switch {
	case err != nil:
		return nil, err
	case text != nil:
		return func() (list [][]byte) {
			for line := range bytes.Lines(text()) {
				if line = bytes.TrimSpace(line); len(line) > 0 {
					list = append(list, line)
				}
			}
			return list
		}, nil
	case !c.TURN.On():
		return nil, nil
	}
	own := []byte(rand.Text())
	if c.StateDir != "" {
		kept, err := state.Secret(c.StateDir, "turn-secret")
		if err != nil {
			d.logs.Warn(eventNotKept, zap.String(fieldSetting, "state-dir"), zap.Error(err))
		} else {
			own = kept
		}
	}
	return func() [][]byte { return [][]byte{own} }, nil
}

func newRelay(d *daemon, certificates *tls.Config, secrets func() [][]byte) (*relay.Server, error) {
	c := d.config
	public, auto, err := c.TURNAddresses()
	if err == nil && auto {
		public, err = publicip.Find(context.Background(), publicip.Options{Name: c.TURN.Host, STUN: c.ICEServers, Public: relay.Public})
		if err != nil {
			err = fmt.Errorf("turn-public-ip: %w", err)
		}
	}
	if err != nil {
		return nil, err
	}
	d.turnPublic = public
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
		PublicIPs: public, PortMin: low, PortMax: high,
		Secrets: secrets, Present: d.present.has, AllowPeers: allow, Streams: streams,
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
