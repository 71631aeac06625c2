package publicip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// network is what there is to find: each by family.
type network struct {
	routes map[string]string
	names  map[string]string // addresses, with commas between
	seen   map[string]string // by STUN servers
}

func (n network) sources(asked *[]string) sources {
	get := func(from map[string]string, family string) (netip.Addr, error) {
		if from[family] == "" {
			return netip.Addr{}, errors.New("none")
		}
		return netip.MustParseAddr(from[family]), nil
	}
	return sources{
		route: func(family string) (netip.Addr, error) { return get(n.routes, family) },
		lookup: func(_ context.Context, family, name string) (all []netip.Addr, err error) {
			*asked = append(*asked, name)
			for text := range strings.SplitSeq(n.names[family], ",") {
				if text != "" {
					all = append(all, netip.MustParseAddr(text))
				}
			}
			return all, nil
		},
		stun: func(_ context.Context, family, server string) (netip.Addr, error) {
			*asked = append(*asked, server)
			return get(n.seen, family)
		},
	}
}

// The machine's own address comes first, and others are asked only if that is private;
// a family that does not reach the internet has no address.
func TestFind(t *testing.T) {
	for _, c := range []struct {
		name    string
		network network
		options Options
		want    string
		asked   string
	}{
		{"on the internet", network{routes: map[string]string{"4": "8.8.8.8", "6": "2606::1"}},
			Options{Name: "a.org", STUN: []string{"stun:s.org"}}, "8.8.8.8 2606::1", ""},
		{"IPv4 alone", network{routes: map[string]string{"4": "8.8.8.8"}, names: map[string]string{"6": "2606::1"}},
			Options{Name: "a.org"}, "8.8.8.8", ""},
		{"behind NAT, with a name", network{routes: map[string]string{"4": "10.0.0.2"}, names: map[string]string{"4": "10.0.0.2,9.9.9.9"}},
			Options{Name: "a.org", STUN: []string{"stun:s.org"}}, "9.9.9.9", "a.org"},
		{"behind NAT, with a STUN server", network{routes: map[string]string{"4": "10.0.0.2"}, seen: map[string]string{"4": "9.9.9.9"}},
			Options{STUN: []string{"turn:t.org", "stun:s.org:19302"}}, "9.9.9.9", "s.org:19302"},
		{"a STUN server on the usual port", network{routes: map[string]string{"6": "fd00::1"}, seen: map[string]string{"6": "2606::2"}},
			Options{STUN: []string{"stun:[2606::9]"}}, "2606::2", "[2606::9]:3478"},
		{"a name that is private too", network{routes: map[string]string{"4": "10.0.0.2"}, names: map[string]string{"4": "10.0.0.2"}, seen: map[string]string{"4": "9.9.9.9"}},
			Options{Name: "a.org", STUN: []string{"stun:s.org"}}, "9.9.9.9", "a.org s.org:3478"},
		{"a STUN server in the private network", network{routes: map[string]string{"4": "10.0.0.2"}, seen: map[string]string{"4": "10.0.0.2"}},
			Options{STUN: []string{"stun:s.org"}}, "", "s.org:3478"},
		{"nothing", network{}, Options{Name: "a.org", STUN: []string{"stun:s.org"}}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked []string
			c.options.Public = func(a netip.Addr) bool { return !a.IsPrivate() }
			found, err := find(t.Context(), c.options, c.network.sources(&asked))
			if got := strings.Trim(fmt.Sprint(found), "[]"); got != c.want || (err == nil) != (c.want != "") {
				t.Errorf("%s, want %s (%v)", got, c.want, err)
			}
			if got := strings.Join(asked, " "); got != c.asked {
				t.Errorf("asked %q, want %q", got, c.asked)
			}
		})
	}
}

// A STUN server is asked again if it does not answer, and forged answers do not count.
func TestAsk(t *testing.T) {
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		for i := 0; ; i++ {
			b := make([]byte, 1500)
			n, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			request := &stun.Message{Raw: b[:n]}
			if request.Decode() != nil || i == 0 {
				continue // the first is lost
			}
			id, ip := stun.NewTransactionIDSetter(request.TransactionID), net.IPv4(9, 9, 9, 9)
			if i == 1 {
				id, ip = stun.NewTransactionIDSetter([stun.TransactionIDSize]byte{1}), net.IPv4(6, 6, 6, 6)
			}
			answer, err := stun.Build(id, stun.BindingSuccess, &stun.XORMappedAddress{IP: ip, Port: 1})
			if err == nil {
				_, _ = server.WriteTo(answer.Raw, from)
			}
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if a, err := ask(ctx, "4", server.LocalAddr().String()); err != nil || a != netip.MustParseAddr("9.9.9.9") {
		t.Errorf("%s %v", a, err)
	}
}

// The address that packets go from is one of this machine.
func TestRoute(t *testing.T) {
	a, err := route("4")
	if err != nil {
		t.Skip(err) // there is no way out of here
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(all, func(own net.Addr) bool { return strings.HasPrefix(own.String(), a.String()+"/") }) {
		t.Errorf("%s is none of %v", a, all)
	}
}
