// Package relay is a TURN server (RFC 8656) for the members of the signaling server
// beside it, on github.com/pion/turn: it takes the credentials that members are
// handed in ice_servers, and relays to what is not on its own machine or network.
package relay

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v5"
	"go.uber.org/zap"
	"golang.org/x/net/netutil"
	"golang.org/x/time/rate"
)

// Options say where the server listens and what it grants.
type Options struct {
	Listen    string      // host:port for UDP and TCP; empty: none
	TLSListen string      // host:port for TLS over TCP; empty: none
	TLS       *tls.Config // for TLSListen

	// Beside is a listener for TLS over TCP in place of TLSListen: another server's, which
	// hands out the connections that are for this one. nil: there is none.
	Beside net.Listener

	Host string // that clients are told; empty: PublicIP

	// Streams wraps the listeners for TCP and TLS, below TLS, for example to read the
	// clients' addresses that a proxy sends; nil: they stay as they are.
	Streams func(net.Listener) net.Listener

	PublicIP netip.Addr // where peers reach relayed addresses
	PortMin  uint16     // relayed addresses have ports from PortMin
	PortMax  uint16     // to PortMax

	// Secrets returns those of credentials: the first makes them, all are taken. Running
	// allocations go on under one that is no longer among them.
	Secrets func() [][]byte

	// Present reports whether an id is a member's: then its allocations go on for as long
	// as it is, also with credentials that have expired. It must not block. nil: none is.
	Present func(id string) bool

	// AllowPeers are addresses that may be relayed to though they are loopback,
	// link-local, private or this machine's own.
	AllowPeers []netip.Prefix

	MaxAllocations int // of one id at one time; 0: no limit
	MaxPerAddress  int // allocations of one client address (IPv6: one /64) at one time, at most half of the ports; 0: no limit
	BytesPerSecond int // relayed for one id, both ways together; more is dropped; 0: no limit

	Logger *zap.Logger // nil: none
}

// check completes the options, and returns what is missing.
func (o *Options) check() error {
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.PortMin == 0 && o.PortMax == 0 {
		o.PortMin, o.PortMax = 49152, 65535
	}
	switch {
	case o.Listen == "" && o.TLSListen == "" && o.Beside == nil:
		return errors.New("turn: there is no address to listen on")
	case o.TLSListen != "" && o.TLS == nil:
		return errors.New("turn: TLS needs a certificate")
	case !o.PublicIP.IsValid():
		return errors.New("turn: there is no public address")
	case o.PortMin == 0 || o.PortMin > o.PortMax:
		return errors.New("turn: the range of ports is empty")
	case o.Secrets == nil:
		return errors.New("turn: there is no secret to check credentials with")
	}
	return nil
}

// perAddress returns how many allocations one client address may have: however few ports
// there are, it does not get them all.
func (o *Options) perAddress() int {
	half := (int(o.PortMax) - int(o.PortMin) + 2) / 2
	if o.MaxPerAddress == 0 {
		return 0
	}
	return min(o.MaxPerAddress, half)
}

// Realm is the server's realm.
const Realm = "parley"

// maxStreams bounds the TCP and TLS connections of one listener.
const maxStreams = 10_000

// Server is a running TURN server.
type Server struct {
	// Stats counts what the server does.
	Stats Stats

	options   Options
	log       *zap.Logger
	often     rate.Sometimes // of lines about refusals
	peers     *peers
	relays    *relays
	users     *users
	secrets   *secrets
	addresses addresses
	streams   *streams
	turn      *turn.Server
	urls      []string
}

// New opens the listeners and serves. The error is for people.
func New(o Options) (*Server, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &Server{options: o, log: o.Logger, often: rate.Sometimes{Interval: time.Second}}
	s.addresses = addresses{most: o.perAddress(), have: make(map[netip.Addr]int)}
	s.streams = newStreams(&s.Stats)
	s.peers = newPeers(o.PublicIP, o.AllowPeers)
	s.secrets = newSecrets(o.Secrets)
	s.users = newUsers(o.MaxAllocations, o.BytesPerSecond)
	s.relays = newRelays(s)
	c := turn.ServerConfig{
		Realm:         Realm,
		LoggerFactory: &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled},
		AuthHandler:   s.authenticate,
		QuotaHandler:  s.quota,
		EventHandler: turn.EventHandler{
			OnAuth: s.authenticated,
			OnAllocationCreated: func(client, _ net.Addr, _, _, _ string, _ net.Addr, _ int) {
				s.addresses.count(client, 1)
			},
			OnAllocationDeleted: func(client, _ net.Addr, _, _, _ string) { s.addresses.count(client, -1) },
		},
	}
	closers, err := s.listen(&c)
	if err == nil {
		s.turn, err = turn.NewServer(c)
	}
	if err != nil {
		for _, l := range closers {
			_ = l.Close()
		}
		return nil, err
	}
	return s, nil
}

// listen opens the listeners, and returns them also when one of them fails.
func (s *Server) listen(c *turn.ServerConfig) (opened []interface{ Close() error }, err error) {
	o := s.options
	if o.Listen != "" {
		udp, tcp, err := listenBoth(o.Listen)
		if err != nil {
			return opened, fmt.Errorf("turn-listen: %w", err)
		}
		tcp = s.wrap(tcp)
		opened = append(opened, udp, tcp)
		_, port, _ := net.SplitHostPort(tcp.Addr().String())
		c.PacketConnConfigs = append(c.PacketConnConfigs, turn.PacketConnConfig{
			PacketConn: udp, RelayAddressGenerator: s.relays, PermissionHandler: s.permit,
		})
		c.ListenerConfigs = append(c.ListenerConfigs, s.over(tcp))
		s.urls = append(s.urls, s.url("turn", port, "udp"), s.url("turn", port, "tcp"))
	}
	if o.TLSListen != "" {
		tcp, err := net.Listen("tcp", o.TLSListen)
		if err != nil {
			return opened, fmt.Errorf("turn-tls-listen: %w", err)
		}
		tcp = s.wrap(tcp)
		opened = append(opened, tcp)
		_, port, _ := net.SplitHostPort(tcp.Addr().String())
		c.ListenerConfigs = append(c.ListenerConfigs, s.over(tls.NewListener(tcp, o.TLS)))
		s.urls = append(s.urls, s.url("turns", port, "tcp"))
	}
	if o.Beside != nil {
		opened = append(opened, o.Beside)
		_, port, _ := net.SplitHostPort(o.Beside.Addr().String())
		c.ListenerConfigs = append(c.ListenerConfigs, s.over(o.Beside))
		s.urls = append(s.urls, s.url("turns", port, "tcp"))
	}
	return opened, nil
}

func (s *Server) wrap(l net.Listener) net.Listener {
	if s.options.Streams == nil {
		return l
	}
	return s.options.Streams(l)
}

// anyPortTries is how often a free port is looked for that is free for both UDP and
// TCP.
const anyPortTries = 20

// listenBoth listens on an address with UDP and with TCP; on port 0 that is any one
// port.
func listenBoth(address string) (udp net.PacketConn, tcp net.Listener, err error) {
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
		if udp, err = net.ListenPacket("udp", net.JoinHostPort(host, port)); err == nil {
			return udp, tcp, nil
		}
		_ = tcp.Close()
	}
	return nil, nil, err
}

func (s *Server) over(l net.Listener) turn.ListenerConfig {
	return turn.ListenerConfig{
		Listener:              netutil.LimitListener(s.streams.listen(l), maxStreams),
		RelayAddressGenerator: s.relays,
		PermissionHandler:     s.permit,
	}
}

func (s *Server) url(scheme, port, transport string) string {
	host := s.options.Host
	if host == "" {
		host = s.options.PublicIP.String()
	}
	return scheme + ":" + net.JoinHostPort(host, port) + "?transport=" + transport
}

// URLs returns the addresses (RFC 7065) for ice_servers.
func (s *Server) URLs() []string { return s.urls }

// Close ends the server with all its allocations.
func (s *Server) Close() error { return s.turn.Close() }

// ParsePorts reads a range of ports as in 49152-65535.
func ParsePorts(text string) (low, high uint16, err error) {
	var n int
	if n, err = fmt.Sscanf(text, "%d-%d", &low, &high); err != nil || n != 2 || low == 0 || low > high ||
		text != strconv.Itoa(int(low))+"-"+strconv.Itoa(int(high)) {
		return 0, 0, errors.New("not a range of ports as in 49152-65535")
	}
	return low, high, nil
}
