package config

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/sockets"
)

// checkTaken refuses settings that have two listeners take one place.
func (c *Config) checkTaken() error {
	type place struct{ setting, address string }
	var taken []place
	add := func(setting, address string) error {
		for _, p := range taken {
			if overlap(p.address, address) {
				return fmt.Errorf("%s: %q is taken by %s %q", setting, address, p.setting, p.address)
			}
		}
		taken = append(taken, place{setting, address})
		return nil
	}
	for _, text := range c.Listen {
		a, err := sockets.Parse(text)
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		switch {
		case a.Path != "":
			text = a.Path // mode and owner make no other socket of it
		case a.TCP != "":
			text = a.TCP
		}
		if err := add("listen", text); err != nil {
			return err
		}
	}
	for _, p := range []place{
		{"admin-listen", c.AdminListen}, {"redirect-listen", c.Redirect}, {"turn-listen", c.TURN.Listen},
		{"turn-tls-listen", c.TURN.TLSListen}, {"cluster-listen", c.Cluster.Listen},
		{"cluster-direct-listen", c.Cluster.DirectListen()},
	} {
		if p.address == "" || p.setting == "turn-tls-listen" && c.Shares() {
			continue
		}
		if err := add(p.setting, p.address); err != nil {
			return err
		}
	}
	return nil
}

// overlap reports whether two listeners can't have these addresses at the same time: they
// are the same, or TCP addresses of one port, one of which is also the other's.
func overlap(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil {
		return a == b
	}
	if portA != portB || portA == "0" {
		return false
	}
	return hostA == hostB || unspecified(hostA) || unspecified(hostB)
}

// unspecified reports whether a listener is on all addresses. Go has one on 0.0.0.0 take
// IPv6 too.
func unspecified(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "" || err == nil && a.IsUnspecified()
}
