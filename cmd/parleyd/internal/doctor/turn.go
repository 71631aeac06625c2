package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pion/logging"
	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"
)

// checkTURN has a TURN server relay from one allocation to another and back.
func (v *visit) checkTURN(ctx context.Context, check string, e *endpoint) {
	a, err := v.allocate(ctx, e)
	if err != nil {
		v.found(check, Problem, allocateAdvice(err, e), "%s gives no relay: %v", e.url, err)
		return
	}
	defer a.close()
	b, err := v.allocate(ctx, e)
	if err != nil {
		v.found(check, Problem, allocateAdvice(err, e), "%s gives only one relay: %v", e.url, err)
		return
	}
	defer b.close()
	relayed, _ := netip.ParseAddrPort(a.LocalAddr().String())
	server, _ := netip.ParseAddr(e.host)
	if !v.local && !public(relayed.Addr()) && (!server.IsValid() || public(server)) {
		v.found(check, Problem, "Set --turn-public-ip to the address that the world sees.", "%s relays on %s, which only its own network reaches", e.url, relayed)
		return
	}
	start := time.Now()
	if err := errors.Join(v.relay(ctx, a, b), v.relay(ctx, b, a)); err != nil {
		v.found(check, Problem, "Open the range of --turn-port-range for UDP in the firewall, and see that --turn-public-ip is right.",
			"%s gives relays, but nothing comes through: %v", e.url, err)
		return
	}
	v.found(check, OK, "", "%s relays; there and back took %s", e.url, time.Since(start).Round(100*time.Microsecond))
}

// allocation is a relayed address, with what it stands on.
type allocation struct {
	net.PacketConn

	client *turn.Client
	under  net.PacketConn
}

func (a *allocation) close() {
	_ = a.PacketConn.Close()
	a.client.Close()
	_ = a.under.Close()
}

// allocate gets a relayed address.
func (v *visit) allocate(ctx context.Context, e *endpoint) (*allocation, error) {
	ctx, cancel := context.WithTimeout(ctx, v.Timeout)
	defer cancel()
	under, server, err := v.reach(ctx, e)
	if err != nil {
		return nil, &unreachable{err}
	}
	client, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: server, Conn: under, Username: e.Username, Password: e.Credential,
		LoggerFactory: &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled},
	})
	if err == nil {
		err = client.Listen()
	}
	if err != nil {
		_ = under.Close()
		return nil, err
	}
	relayed, err := client.AllocateWithContext(ctx)
	if err != nil {
		client.Close()
		_ = under.Close()
		if ctx.Err() != nil {
			err = &unreachable{errors.New("no answer in time")}
		}
		return nil, err
	}
	return &allocation{relayed, client, under}, nil
}

// unreachable is the error of a server that could not be reached.
type unreachable struct{ error }

func (u *unreachable) Unwrap() error { return u.error }

// reach connects to a TURN server, and returns its address.
func (v *visit) reach(ctx context.Context, e *endpoint) (net.PacketConn, string, error) {
	var stream net.Conn
	var err error
	switch e.transport {
	case "tcp":
		var dialer net.Dialer
		stream, err = dialer.DialContext(ctx, "tcp", e.address())
	case "tls":
		dialer := tls.Dialer{Config: &tls.Config{ServerName: e.host, RootCAs: v.Roots}}
		stream, err = dialer.DialContext(ctx, "tcp", e.address())
	default:
		to, err := net.ResolveUDPAddr("udp", e.address())
		if err != nil {
			return nil, "", err
		}
		network := "udp6"
		if to.IP.To4() != nil {
			network = "udp4"
		}
		conn, err := net.ListenPacket(network, ":0")
		return conn, to.String(), err
	}
	if err != nil {
		return nil, "", err
	}
	return turn.NewSTUNConn(stream), stream.RemoteAddr().String(), nil
}

// allocateAdvice says what to do about an allocation that failed.
func allocateAdvice(err error, e *endpoint) string {
	var answer *stun.TurnError
	switch {
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return "The TURN server's certificate must be valid for its name: see --turn-host and --tls-cert."
	case errors.As(err, new(*unreachable)):
		return fmt.Sprintf("Open port %s (%s) in the firewall of the server, and see that the TURN server runs.", e.port, e.transport)
	case errors.As(err, &answer) && answer.ErrorCodeAttr.Code == stun.CodeAllocQuotaReached:
		return "Raise --turn-max-allocations or --turn-max-allocations-per-ip."
	}
	return "The TURN server must know the secret that credentials are made of (--turn-secret-file), and its clock must be right."
}

// relay sends a packet from one allocation to another until it has arrived: the first ones
// ask for permission.
func (v *visit) relay(ctx context.Context, from, to *allocation) error {
	ctx, cancel := context.WithTimeout(ctx, v.Timeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	if err := to.client.CreatePermission(from.LocalAddr()); err != nil {
		return err
	}
	text := []byte("parleyd doctor")
	arrived := make(chan error, 1)
	go func() {
		b := make([]byte, 1500)
		_ = to.SetReadDeadline(deadline)
		for {
			n, _, err := to.ReadFrom(b)
			if err != nil || bytes.Equal(b[:n], text) {
				arrived <- err
				return
			}
		}
	}()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		if _, err := from.WriteTo(text, to.LocalAddr()); err != nil {
			_ = to.SetReadDeadline(time.Now())
			<-arrived
			return err
		}
		select {
		case err := <-arrived:
			return err
		case <-again.C:
		}
	}
}
