package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/config"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/ice"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/proxyheader"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/publicip"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/relay"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/state"
	"github.com/parley-rtc/parley/wsconn/clientip"
)

// newTURN starts the TURN server, if there is to be one.
func (d *daemon) newTURN(certificates *tls.Config) error {
	if !d.config.TURN.On() {
		return nil
	}
	secrets, err := d.turnSecrets(d.config)
	if err != nil {
		return err
	}
	d.relay, err = newRelay(d, certificates, func() [][]byte {
		if l := d.live.Load(); l != nil {
			return l.secrets()
		}
		return secrets()
	})
	return err
}

// newICE returns what makes the ICE servers that a member is handed; nil: there are none.
func (d *daemon) newICE(l *live) (func(id string, until time.Time) json.RawMessage, error) {
	c, own := l.config, d.turnURLs()
	if len(c.ICEServers)+len(own) == 0 {
		return nil, nil
	}
	servers, err := ice.New(c.ICEServers, own, l.secrets, c.TURNTTL)
	if err != nil {
		return nil, fmt.Errorf("ice-server: %w", err)
	}
	return servers.For, nil
}

// turnSecrets returns the secrets of credentials: those in the file, one a line, or else
// one that this daemon keeps; nil: there are none.
func (d *daemon) turnSecrets(c *config.Config) (func() [][]byte, error) {
	secrets, err := newSecrets("turn-secret-file", c.TURNSecretFile, d.logs.Logger)
	switch {
	case secrets != nil || err != nil:
		return secrets, err
	case !c.TURN.On():
		return nil, nil
	}
	return func() [][]byte { return [][]byte{d.ownSecret()} }, nil
}

// keptSecret returns this daemon's own secret, which it keeps in state-dir if it can.
func (d *daemon) keptSecret() []byte {
	if d.config.StateDir != "" {
		kept, err := state.Secret(d.config.StateDir, "turn-secret")
		if err == nil {
			return kept
		}
		d.logs.Warn(eventNotKept, zap.String(fieldSetting, "state-dir"), zap.Error(err))
	}
	return []byte(rand.Text())
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
			return proxyheader.New(l, d.trusts, d.logs.Logger).Named()
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
