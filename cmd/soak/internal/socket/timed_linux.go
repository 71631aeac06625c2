package socket

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stampReads asks for the times of what is read.
func stampReads(fd int) bool {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) == nil
}

// timedRead reads, and notes how late that is: the kernel tells when it had the last of
// the packets that the bytes are from.
func (c *Conn) timedRead(fd int, b []byte) (int, error) {
	var control [64]byte
	n, size, _, _, err := unix.Recvmsg(fd, b, control[:], 0)
	if err != nil || n <= 0 {
		return n, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:size])
	if err != nil {
		return n, nil
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= int(unsafe.Sizeof(unix.Timespec{})) {
			at := *(*unix.Timespec)(unsafe.Pointer(&m.Data[0])) //nolint:gosec // its length has been checked
			c.lag, c.lagged = max(time.Since(time.Unix(at.Unix())), 0), true
		}
	}
	return n, nil
}
