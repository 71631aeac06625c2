package relay

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

const (
	// rememberFor is how long it is remembered at least to which address a client has
	// sent: longer than clients of an allocation are silent.
	rememberFor = 11 * time.Minute
	// rememberMost bounds the clients that are remembered in that time, of whom most may
	// have forged their addresses. Those over it get answers from the default address.
	rememberMost = 1 << 16
	maxLocal     = 1 << 10 // addresses of this machine
)

// wildcard is a UDP socket on all addresses of one family. It answers each client from
// the address that the client has sent to: others are dropped by NATs, and by sockets
// that are connected.
type wildcard struct {
	*net.UDPConn

	six bool
	oob []byte // owned by the goroutine that reads

	mu        sync.RWMutex // guards what follows
	now, then map[netip.AddrPort]asked
	turned    time.Time // when now became then
	local     map[netip.Addr]asked
}

// asked is the address of this machine that a client has sent to, and what makes the
// system answer from it.
type asked struct {
	address netip.Addr
	control []byte
}

// newWildcard returns nil if the system can't tell where packets were sent to.
func newWildcard(c *net.UDPConn, six bool) *wildcard {
	var err error
	if six {
		err = ipv6.NewPacketConn(c).SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
	} else {
		err = ipv4.NewPacketConn(c).SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true)
	}
	if err != nil {
		return nil
	}
	return &wildcard{
		UDPConn: c, six: six, oob: make([]byte, 128), turned: time.Now(),
		now: make(map[netip.AddrPort]asked), local: make(map[netip.Addr]asked),
	}
}

// ReadFrom implements net.PacketConn. Only one goroutine may call it.
func (w *wildcard) ReadFrom(b []byte) (int, net.Addr, error) {
	n, oobn, _, from, err := w.ReadMsgUDPAddrPort(b, w.oob)
	if err != nil {
		return n, nil, err
	}
	if to, zone := w.destination(w.oob[:oobn]); to.IsValid() {
		w.remember(from, to, zone)
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// destination returns the address that a packet was sent to, and the number of the
// interface that it came by.
func (w *wildcard) destination(control []byte) (to netip.Addr, zone int) {
	var ip net.IP
	if w.six {
		var m ipv6.ControlMessage
		if m.Parse(control) == nil {
			ip, zone = m.Dst, m.IfIndex
		}
	} else {
		var m ipv4.ControlMessage
		if m.Parse(control) == nil {
			ip, zone = m.Dst, m.IfIndex
		}
	}
	to, _ = netip.AddrFromSlice(ip)
	to = to.Unmap()
	if to.IsMulticast() || to.IsUnspecified() {
		return netip.Addr{}, 0
	}
	return to, zone
}

func (w *wildcard) remember(from netip.AddrPort, to netip.Addr, zone int) {
	w.mu.RLock()
	known := w.now[from].address == to
	w.mu.RUnlock()
	if known {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := time.Now(); now.Sub(w.turned) >= rememberFor {
		w.now, w.then, w.turned = make(map[netip.AddrPort]asked), w.now, now
	}
	if len(w.now) < rememberMost {
		w.now[from] = w.at(to, zone)
	}
}

// at returns what makes the system answer from an address. The caller holds mu.
func (w *wildcard) at(to netip.Addr, zone int) asked {
	if a, ok := w.local[to]; ok {
		return a
	}
	if !to.IsLinkLocalUnicast() {
		zone = 0 // the way back is the system's choice
	}
	a := asked{address: to}
	if w.six {
		a.control = (&ipv6.ControlMessage{Src: to.AsSlice(), IfIndex: zone}).Marshal()
	} else {
		a.control = (&ipv4.ControlMessage{Src: to.AsSlice(), IfIndex: zone}).Marshal()
	}
	if len(w.local) >= maxLocal {
		clear(w.local)
	}
	w.local[to] = a
	return a
}

// WriteTo implements net.PacketConn. It may be called from any goroutine.
func (w *wildcard) WriteTo(b []byte, to net.Addr) (int, error) {
	udp, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, net.InvalidAddrError("not a UDP address")
	}
	client := udp.AddrPort()
	client = netip.AddrPortFrom(client.Addr().Unmap(), client.Port())
	w.mu.RLock()
	a, ok := w.now[client]
	if !ok {
		a, ok = w.then[client]
	}
	w.mu.RUnlock()
	if ok {
		if n, _, err := w.WriteMsgUDPAddrPort(b, a.control, client); err == nil {
			return n, nil
		}
		// The machine may have lost that address.
	}
	return w.WriteToUDPAddrPort(b, client)
}
