package crowd

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pause waits with the kernel's own precision, some 50 µs: the runtime's timers are
// only looked at every millisecond where nothing else happens. A timer that is a
// descriptor wakes the runtime's poller at its time.
type pause struct {
	timer *os.File // nil: there is none
	fd    int
}

func newPause() pause {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return pause{}
	}
	return pause{os.NewFile(uintptr(fd), "timer"), fd}
}

func (p pause) end() {
	if p.timer != nil {
		_ = p.timer.Close()
	}
}

func (p pause) wait(d time.Duration) {
	if p.timer != nil {
		at := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
		if unix.TimerfdSettime(p.fd, 0, &at, nil) == nil {
			var expirations [8]byte
			if _, err := p.timer.Read(expirations[:]); err == nil {
				return
			}
		}
	}
	time.Sleep(d)
}
