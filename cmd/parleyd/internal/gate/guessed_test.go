package gate

import (
	"context"
	"encoding/binary"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
)

// guessed is a passcodes that counts the comparisons and guesses that were looked at.
type guessed struct {
	*passcodes
	compared, looked atomic.Int64
}

func newGuessed() *guessed {
	g := new(guessed)
	g.passcodes = newPasscodes(func(_, passcode string) bool {
		g.compared.Add(1)
		time.Sleep(comparisonTime)
		return passcode == code
	})
	return g
}

// try counts an attempt that was looked at.
func (g *guessed) try(passcode string, from netip.Addr) wire.Code {
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	err := g.check(ctx, "hash", passcode, from)
	if err == nil || err == errWrongPasscode {
		g.looked.Add(1)
	}
	return wire.CodeOf(err)
}

// subnet returns an address of the nth /64 of one /48.
func subnet(n int) netip.Addr {
	a := netip.MustParseAddr("2001:db8:7::1").As16()
	binary.BigEndian.PutUint16(a[6:], uint16(n))
	return netip.AddrFrom16(a)
}

// host returns the nth IPv4 address of a botnet.
func host(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{100, byte(n >> 16), byte(n >> 8), byte(n)})
}

// guess guesses for so long, every 10 s from the next of so many addresses, each of
// which tries until it is refused.
func (g *guessed) guess(t *testing.T, long time.Duration, addresses int, address func(int) netip.Addr) {
	next := 0
	for begun, n := time.Now(), 0; time.Since(begun) < long; n = (n + 1) % addresses {
		for {
			c := g.try("wrong "+strconv.Itoa(next), address(n))
			if next++; c == wire.CodeRateLimited {
				break
			}
			if c != wire.CodeUnauthorized {
				t.Fatalf("a guess came to %s", c)
			}
		}
		time.Sleep(10 * time.Second)
	}
}
