//go:build !unix

package wsconn

import "runtime"

// breath lets other goroutines have a turn.
type breath struct{}

func newBreath() *breath { return new(breath) }

func (*breath) take() { runtime.Gosched() }
