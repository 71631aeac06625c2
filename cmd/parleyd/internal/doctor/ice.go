package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pion/stun/v4"
)

// iceServer is an RTCIceServer (WebRTC, 4.2.2).
type iceServer struct {
	URLs       urlList `json:"urls"`
	Username   string  `json:"username"`
	Credential string  `json:"credential"`
}

// urlList is one URL or a list of them.
type urlList []string

// UnmarshalJSON implements json.Unmarshaler.
func (l *urlList) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*l = urlList{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(l))
}

// endpoint is one URL of an ICE server.
type endpoint struct {
	url        string
	scheme     string // stun, stuns, turn or turns
	host, port string
	transport  string // udp, tcp or tls
	iceServer
}

func (e *endpoint) address() string { return net.JoinHostPort(e.host, e.port) }

// parse reads a URL of RFC 7064 or 7065.
func parse(url string, s iceServer) (endpoint, error) {
	e := endpoint{url: url, iceServer: s, transport: "udp", port: "3478"}
	scheme, rest, found := strings.Cut(url, ":")
	if !found || !slices.Contains([]string{"stun", "stuns", "turn", "turns"}, scheme) {
		return e, fmt.Errorf("%q is not the URL of an ICE server", url)
	}
	e.scheme = scheme
	rest, query, _ := strings.Cut(rest, "?")
	if strings.HasSuffix(scheme, "s") {
		e.transport, e.port = "tls", "5349"
	} else if query == "transport=tcp" {
		e.transport = "tcp"
	}
	e.host = strings.Trim(rest, "[]")
	if host, port, err := net.SplitHostPort(rest); err == nil {
		e.host, e.port = host, port
	}
	if e.host == "" {
		return e, fmt.Errorf("%q has no host", url)
	}
	return e, nil
}

// checkICE looks at the ICE servers, and then tries each.
func (v *visit) checkICE(ctx context.Context) {
	var all []endpoint
	for _, s := range v.ice {
		for _, url := range s.URLs {
			e, err := parse(url, s)
			if err != nil {
				v.found(CheckICE, Problem, "Correct --ice-server: browsers refuse the whole list.", "%v", err)
				continue
			}
			all = append(all, e)
		}
	}
	relays := slices.ContainsFunc(all, func(e endpoint) bool { return strings.HasPrefix(e.scheme, "turn") })
	switch {
	case len(all) == 0:
		v.found(CheckICE, Warning, "Run the TURN server in the daemon (--turn-listen, --turn-public-ip), or name others with --ice-server.",
			"no ICE servers are handed out: only browsers on one network find each other")
	case !relays:
		v.found(CheckICE, Warning, "Run the TURN server in the daemon (--turn-listen, --turn-public-ip), or name one with --ice-server.",
			"no TURN server is handed out: about one in ten pairs of browsers does not find each other")
	default:
		v.found(CheckICE, OK, "", "%d URLs are handed out", len(all))
	}
	v.checkPrivate(all)
	v.checkSTUN(ctx, all)
	for _, t := range []struct{ check, transport, advice string }{
		{CheckTURNUDP, "udp", ""},
		{CheckTURNTCP, "tcp", "Networks that let no UDP through need it: --turn-listen serves both."},
		{CheckTURNTLS, "tls", "Networks that let only TLS through need it: --turn-tls-listen."},
	} {
		any := false
		for _, e := range all {
			if strings.HasPrefix(e.scheme, "turn") && e.transport == t.transport {
				any = true
				v.checkTURN(ctx, t.check, &e)
			}
		}
		if !any {
			v.found(t.check, Skipped, t.advice, "no TURN server over %s is handed out", strings.ToUpper(t.transport))
		}
	}
}

// checkPrivate finds addresses that only the server's own network reaches.
func (v *visit) checkPrivate(all []endpoint) {
	if v.local {
		return
	}
	own, err := netip.ParseAddr(v.base.Hostname())
	if err == nil && !public(own) {
		return // this is such a network
	}
	for _, e := range all {
		if a, err := netip.ParseAddr(e.host); err == nil && !public(a) {
			v.found(CheckICE, Problem, "Set --turn-public-ip to the address that the world sees, or correct --ice-server.",
				"%s has an address that only its own network reaches", e.url)
		}
	}
}

func public(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate()
}

// checkSTUN asks the first server over UDP for the address that it sees.
func (v *visit) checkSTUN(ctx context.Context, all []endpoint) {
	i := slices.IndexFunc(all, func(e endpoint) bool { return e.transport == "udp" })
	if i < 0 {
		v.found(CheckSTUN, Skipped, "", "no server over UDP is handed out")
		return
	}
	e := &all[i]
	seen, local, err := v.reflexive(ctx, e.address())
	switch {
	case err != nil:
		v.found(CheckSTUN, Problem, "Open the UDP port in the firewall of the server, and see whether this network lets UDP out at all.",
			"%s does not answer: %v", e.url, err)
	case seen.Addr() == local.Addr():
		v.found(CheckSTUN, OK, "", "%s sees this machine as %s, its own address", e.url, seen)
	default:
		v.found(CheckSTUN, OK, "", "%s sees this machine as %s; its own address is %s, so there is NAT in between", e.url, seen, local.Addr())
	}
}

// stunAgain is the time after which a request is sent again.
const stunAgain = 500 * time.Millisecond

// reflexive returns the address that a STUN server sees, and the local one.
func (v *visit) reflexive(ctx context.Context, server string) (seen, local netip.AddrPort, err error) {
	ctx, cancel := context.WithTimeout(ctx, v.Timeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "udp", server)
	if err != nil {
		return seen, local, err
	}
	defer conn.Close()
	address := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	local = netip.AddrPortFrom(address.Addr().Unmap(), address.Port())
	request, err := stun.Build(stun.TransactionID, stun.BindingRequest)
	if err != nil {
		return seen, local, err
	}
	for ctx.Err() == nil {
		if _, err := conn.Write(request.Raw); err != nil {
			return seen, local, err
		}
		if seen, err = mapped(conn, request.TransactionID); err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return seen, local, err
		}
	}
	return seen, local, errors.New("no answer in time")
}

// mapped waits a while for the answer to a request, and returns the address in it.
func mapped(conn net.Conn, transaction [stun.TransactionIDSize]byte) (netip.AddrPort, error) {
	_ = conn.SetReadDeadline(time.Now().Add(stunAgain))
	for b := make([]byte, 1500); ; {
		n, err := conn.Read(b)
		if err != nil {
			return netip.AddrPort{}, err
		}
		answer := &stun.Message{Raw: b[:n]}
		if answer.Decode() != nil || answer.TransactionID != transaction {
			continue
		}
		var address stun.XORMappedAddress
		if err := address.GetFrom(answer); err != nil {
			return netip.AddrPort{}, err
		}
		ip, _ := netip.AddrFromSlice(address.IP)
		return netip.AddrPortFrom(ip.Unmap(), uint16(address.Port)), nil
	}
}
