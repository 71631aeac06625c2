//go:build unix

package relay

import (
	"errors"
	"syscall"
)

// lacksFamily reports whether a socket could not be opened because the system has no
// addresses of its family.
func lacksFamily(err error) bool {
	return errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EPROTONOSUPPORT)
}
