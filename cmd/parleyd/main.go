// Parleyd is the signaling daemon: it serves the page, the WebSocket endpoint
// /ws, health checks, and metrics on a listener of their own.
package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/config"
)

// version is set by the linker for releases.
var version = ""

// Exit codes.
const (
	exitOK = iota
	exitFailed
	exitUsage
)

// gcPercent is GOGC where the environment sets none. Messages leave next to no
// garbage, so that collecting earlier costs next to nothing, and what is saved is
// memory: the heap may be this much larger than what lives in it.
const gcPercent = 40

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	os.Exit(run(os.Args[1:], signals, os.Stdout, os.Stderr))
}

func run(args []string, signals <-chan os.Signal, stdout, stderr io.Writer) int {
	c, err := config.Load(args, os.LookupEnv)
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "parleyd: %v\n", err)
		return exitUsage
	case c.Help:
		fmt.Fprint(stdout, config.Usage())
		return exitOK
	case c.Version:
		fmt.Fprintf(stdout, "parleyd %s (%s, %s/%s)\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return exitOK
	}
	d, err := newDaemon(c, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "parleyd: %v\n", err)
		return exitUsage
	}
	return d.serve(signals)
}

// buildVersion is the linker's version, or what the go command noted.
func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && info.Main.Version == "(devel)" {
			return "devel-" + s.Value[:min(len(s.Value), 12)]
		}
	}
	return info.Main.Version
}
