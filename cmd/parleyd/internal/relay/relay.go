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

	Host string // that clients are told; empty: PublicIPs

	// Streams wraps the listeners for TCP and TLS, below TLS, for example to read the
	// clients' addresses that a proxy sends; nil: they stay as they are.
	Streams func(net.Listener) net.Listener

	PublicIPs []netip.Addr // where peers reach relayed addresses: at most one of each family
	PortMin   uint16       // relayed addresses have ports from PortMin
	PortMax   uint16       // to PortMax

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
	case len(o.PublicIPs) == 0:
		return errors.New("turn: there is no public address")
	case len(o.PublicIPs) > 2 || len(o.PublicIPs) == 2 && o.PublicIPs[0].Is4() == o.PublicIPs[1].Is4():
		return errors.New("turn: there are two public addresses of one family")
	case o.PortMin == 0 || o.PortMin > o.PortMax:
		return errors.New("turn: the range of ports is empty")
	case o.Secrets == nil:
		return errors.New("turn: there is no secret to check credentials with")
	}
	return nil
}

// public returns the public address of a family; invalid: there is none.
func (o *Options) public(six bool) netip.Addr {
	for _, a := range o.PublicIPs {
		if a.Is6() == six {
			return a
		}
	}
	return netip.Addr{}
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
	s.streams = newStreams(&s.Stats, o.perAddress())
	s.peers = newPeers(o.PublicIPs, o.AllowPeers)
	s.secrets = newSecrets(o.Secrets)
	s.users = newUsers(o.MaxAllocations, o.BytesPerSecond)
	s.relays = newRelays(s)
	c := turn.ServerConfig{
		Realm: Realm,
		// A client that asks for no family gets one of the socket that it came by, or what
		// there is.
		StrictAddressFamily: !o.public(true).IsValid(),
		LoggerFactory:       &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled},
		AuthHandler:         s.authenticate,
		QuotaHandler:        s.quota,
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
