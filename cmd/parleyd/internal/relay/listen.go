package relay

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"

	"github.com/pion/turn/v5"
	"golang.org/x/net/netutil"
)

// listen opens the listeners, and returns them also when one of them fails.
func (s *Server) listen(c *turn.ServerConfig) (opened []interface{ Close() error }, err error) {
	o := s.options
	if o.Listen != "" {
		sockets, tcp, err := listenBoth(o.Listen)
		if err != nil {
			return opened, fmt.Errorf("turn-listen: %w", err)
		}
		tcp = s.wrap(tcp)
		opened = append(opened, tcp)
		for _, udp := range sockets {
			opened = append(opened, udp)
			c.PacketConnConfigs = append(c.PacketConnConfigs, turn.PacketConnConfig{
				PacketConn: s.ofFamily(udp), RelayAddressGenerator: s.relays, PermissionHandler: s.permit,
			})
		}
		c.ListenerConfigs = append(c.ListenerConfigs, s.over(tcp))
		s.addURLs("turn", tcp.Addr(), "udp", "tcp")
	}
	if o.TLSListen != "" {
		tcp, err := net.Listen("tcp", o.TLSListen)
		if err != nil {
			return opened, fmt.Errorf("turn-tls-listen: %w", err)
		}
		tcp = s.wrap(tcp)
		opened = append(opened, tcp)
		c.ListenerConfigs = append(c.ListenerConfigs, s.over(tls.NewListener(tcp, o.TLS)))
		s.addURLs("turns", tcp.Addr(), "tcp")
	}
	if o.Beside != nil {
		opened = append(opened, o.Beside)
		c.ListenerConfigs = append(c.ListenerConfigs, s.over(o.Beside))
		s.addURLs("turns", o.Beside.Addr(), "tcp")
	}
	return opened, nil
}

func (s *Server) wrap(l net.Listener) net.Listener {
	if s.options.Streams == nil {
		return l
	}
	return s.options.Streams(l)
}

// ofFamily returns a socket whose clients get relayed addresses of the only family that
// there is, if that is IPv6. pion goes by the socket's own address.
func (s *Server) ofFamily(c net.PacketConn) net.PacketConn {
	if a := s.localAddr(c.LocalAddr()); a != nil {
		return packetsAt{c, a}
	}
	return c
}

// localAddr returns what a connection is to have as its own address; nil: its own.
func (s *Server) localAddr(own net.Addr) net.Addr {
	six := s.options.public(true)
	if !six.IsValid() || s.options.public(false).IsValid() {
		return nil
	}
	switch a := own.(type) {
	case *net.UDPAddr:
		return net.UDPAddrFromAddrPort(netip.AddrPortFrom(six, uint16(a.Port)))
	case *net.TCPAddr:
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(six, uint16(a.Port)))
	}
	return nil
}

// packetsAt is a socket with another local address.
type packetsAt struct {
	net.PacketConn
	local net.Addr
}

// LocalAddr implements net.PacketConn.
func (p packetsAt) LocalAddr() net.Addr { return p.local }

// anyPortTries is how often a free port is looked for that is free for both UDP and
// TCP.
const anyPortTries = 20

// listenBoth listens on an address with UDP and with TCP; on port 0 that is any one
// port.
func listenBoth(address string) (udp []net.PacketConn, tcp net.Listener, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, err
	}
	tries := 1
	if port == "0" {
		tries = anyPortTries
	}
	for range tries {
		if tcp, err = net.Listen("tcp", address); err != nil {
			return nil, nil, err
		}
		_, port, _ = net.SplitHostPort(tcp.Addr().String())
		if udp, err = listenUDP(host, port); err == nil {
			return udp, tcp, nil
		}
		_ = tcp.Close()
	}
	return nil, nil, err
}

// listenUDP opens one socket, or for all addresses one of each family that the system has.
func listenUDP(host, port string) (all []net.PacketConn, err error) {
	networks := []string{"udp"}
	ip, _ := netip.ParseAddr(host)
	every := host == "" || ip.IsUnspecified()
	switch {
	case every && ip.Is4():
		networks = []string{"udp4"}
	case every:
		networks = []string{"udp4", "udp6"}
	}
	var failed error
	for _, network := range networks {
		at := host
		if every {
			at = ""
		}
		c, err := net.ListenPacket(network, net.JoinHostPort(at, port))
		if err != nil {
			failed = err
			continue
		}
		if every {
			if w := newWildcard(c.(*net.UDPConn), network == "udp6"); w != nil {
				c = w
			}
		}
		all = append(all, c)
	}
	// A system may lack a family, but a port that is taken is an error.
	if len(all) == 0 || failed != nil && !lacksFamily(failed) {
		for _, c := range all {
			_ = c.Close()
		}
		return nil, failed
	}
	return all, nil
}

func (s *Server) over(l net.Listener) turn.ListenerConfig {
	return turn.ListenerConfig{
		Listener:              netutil.LimitListener(s.streams.listen(l, s.localAddr(l.Addr())), maxStreams),
		RelayAddressGenerator: s.relays,
		PermissionHandler:     s.permit,
	}
}

// addURLs notes where clients reach a listener.
func (s *Server) addURLs(scheme string, at net.Addr, transports ...string) {
	_, port, _ := net.SplitHostPort(at.String())
	hosts := []string{s.options.Host}
	if s.options.Host == "" {
		hosts = nil
		for _, a := range s.options.PublicIPs {
			hosts = append(hosts, a.String())
		}
	}
	for _, host := range hosts {
		for _, transport := range transports {
			s.urls = append(s.urls, scheme+":"+net.JoinHostPort(host, port)+"?transport="+transport)
		}
	}
}
