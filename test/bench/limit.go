package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

// limit builds the echo in C where a compiler is there; nil: there is none.
func limit(dir string, how *server) *server {
	compiler, err := exec.LookPath("cc")
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: without a C compiler (cc) there is no column limit")
		return nil
	}
	program := filepath.Join(dir, "limit")
	if out, err := exec.Command(compiler, "-O2", "-o", program, filepath.Join("limit", "limit.c")).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "bench: there is no column limit: %v\n%s", err, out)
		return nil
	}
	return &server{name: "limit", title: "limit (echo in C)", dialect: how.dialect, relayOnly: true, command: func(address string) []string {
		_, port, _ := net.SplitHostPort(address)
		return []string{program, port}
	}}
}
