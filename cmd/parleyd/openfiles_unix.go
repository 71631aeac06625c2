//go:build unix

package main

import "syscall"

// openFiles returns how many descriptors the process may have. The Go runtime
// has raised the soft limit to the hard one by then.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return limit.Cur
}
