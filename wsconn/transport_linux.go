package wsconn

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// transport asks TCP how many bytes the other side has acknowledged, and how many
// are under way there or wait in the socket. It looks through TLS and wrappers, and
// changes nothing. ok is false if nc is not on TCP, or has ended.
func transport(nc net.Conn) (arrived, under uint64, ok bool) {
	for range maxLayers {
		inner, is := nc.(interface{ NetConn() net.Conn })
		if !is {
			break
		}
		nc = inner.NetConn()
	}
	socket, is := nc.(syscall.Conn)
	if !is {
		return 0, 0, false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, 0, false
	}
	err = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return
		}
		queued, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		if err != nil {
			return
		}
		arrived, under, ok = info.Bytes_acked, uint64(queued), true
	})
	return arrived, under, ok && err == nil
}

// maxLayers is how many layers, such as TLS, may lie over the socket.
const maxLayers = 4
