// Package publicip finds the addresses under which the world reaches this machine.
package publicip

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/pion/stun/v4"
)

// Options say what is known of this machine.
type Options struct {
	Name string   // that clients reach it by; empty: none
	STUN []string // stun: URLs of servers that tell which address they see

	// Public reports whether an address is one of the internet.
	Public func(netip.Addr) bool
}

// patience bounds each question to another machine.
const patience = 3 * time.Second

// sources are the ways to learn an address of a family ("4" or "6").
type sources struct {
	route  func(family string) (netip.Addr, error) // from which packets to the internet go
	lookup func(ctx context.Context, family, name string) ([]netip.Addr, error)
	stun   func(ctx context.Context, family, server string) (netip.Addr, error)
}

// Find returns the public addresses, at most one of each family: the one that packets to
// the internet go from; or behind NAT what the machine's name resolves to, or what a
// STUN server sees. The error is for people.
func Find(ctx context.Context, o Options) ([]netip.Addr, error) {
	return find(ctx, o, sources{route, lookup, ask})
}

func find(ctx context.Context, o Options, s sources) (found []netip.Addr, err error) {
	for _, family := range []string{"4", "6"} {
		if a := one(ctx, o, s, family); a.IsValid() {
			found = append(found, a)
		}
	}
	if len(found) == 0 {
		return nil, errors.New("no public address was found: this machine has none, its name (turn-host or acme-domain) resolves to none, and no STUN server (ice-server) has told one: name the address in place of auto")
	}
	return found, nil
}

// one returns the address of a family; invalid: there is none.
func one(ctx context.Context, o Options, s sources, family string) netip.Addr {
	from, err := s.route(family)
	if err != nil {
		return netip.Addr{} // the internet is not reached by this family
	}
	if o.Public(from) {
		return from
	}
	if o.Name != "" {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		all, _ := s.lookup(ctx, family, o.Name)
		for _, a := range all {
			if o.Public(a.Unmap()) {
				return a.Unmap()
			}
		}
	}
	for _, url := range o.STUN {
		server, ok := strings.CutPrefix(url, "stun:")
		if !ok {
			continue
		}
		if _, _, err := net.SplitHostPort(server); err != nil {
			server = net.JoinHostPort(strings.Trim(server, "[]"), "3478")
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		a, err := s.stun(ctx, family, server)
		cancel()
		if err == nil && o.Public(a) {
			return a
		}
	}
	return netip.Addr{}
}

// elsewhere are addresses of the internet. Nothing is sent there.
var elsewhere = map[string]string{"4": "198.51.100.1:9", "6": "[2001:db8::1]:9"}

func route(family string) (netip.Addr, error) {
	c, err := net.Dial("udp"+family, elsewhere[family])
	if err != nil {
		return netip.Addr{}, err
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().WithZone(""), nil
}

func lookup(ctx context.Context, family, name string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip"+family, name)
}

// tries is how often a STUN server is asked: packets get lost.
const tries = 3

// ask returns the address that a STUN server sees.
func ask(ctx context.Context, family, server string) (netip.Addr, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "udp"+family, server)
	if err != nil {
		return netip.Addr{}, err
	}
	defer c.Close()
	request, err := stun.Build(stun.TransactionID, stun.BindingRequest)
	if err != nil {
		return netip.Addr{}, err
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(patience)
	}
	wait := time.Until(deadline) / tries
	answer := make([]byte, 1500)
	for range tries {
		if _, err = c.Write(request.Raw); err != nil {
			return netip.Addr{}, err
		}
		_ = c.SetReadDeadline(time.Now().Add(wait))
		var n int
		if n, err = c.Read(answer); err != nil {
			continue
		}
		m := &stun.Message{Raw: answer[:n]}
		var seen stun.XORMappedAddress
		if err = m.Decode(); err != nil || m.TransactionID != request.TransactionID {
			continue
		}
		if err = seen.GetFrom(m); err != nil {
			continue
		}
		a, _ := netip.AddrFromSlice(seen.IP)
		return a.Unmap(), nil
	}
	return netip.Addr{}, err
}
