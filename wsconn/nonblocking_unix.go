//go:build unix

package wsconn

import "syscall"

// nonblocking says that reads and writes can be tried without waiting.
const nonblocking = true

func tryRead(fd uintptr, b []byte) (int, error) { return syscall.Read(int(fd), b) }

func tryWrite(fd uintptr, b []byte) (int, error) { return syscall.Write(int(fd), b) }
