//go:build unix

package wsconn

import (
	"errors"
	"os"
	"runtime"
	"syscall"
)

// breath lets others have a turn: goroutines that can run, and those for which the network
// has something. The runtime looks at the network when no goroutine can run, or else every
// 10 ms, so a goroutine that writes to thousands of connections in a row would keep what
// others have sent waiting. It waits for a pipe of its own, in which it has put a byte. So
// the network is looked at, and nothing is waited for. One goroutine may use it at a time.
type breath struct {
	in, out *os.File
	raw     syscall.RawConn // of in; nil: there are no descriptors left
	put     bool
	onRaw   func(fd uintptr) bool
}

func newBreath() *breath {
	b := new(breath)
	b.onRaw = b.wait
	var err error
	if b.in, b.out, err = os.Pipe(); err == nil {
		b.raw, _ = b.in.SyscallConn()
	}
	return b
}

// take returns when the others have had their turn.
func (b *breath) take() {
	if b.raw == nil {
		runtime.Gosched()
		return
	}
	b.put = false
	_ = b.raw.Read(b.onRaw) // only if it is closed, which it is not
}

// wait is called first when the runtime is ready to hear of the byte, and then when there
// is something to read.
func (b *breath) wait(fd uintptr) (done bool) {
	var one [1]byte
	if !b.put {
		b.put = true
		_, err := b.out.Write(one[:])
		return err != nil
	}
	_, err := syscall.Read(int(fd), one[:])
	return !errors.Is(err, syscall.EAGAIN)
}
