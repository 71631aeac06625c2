// Soak load-tests a WebRTC signaling server: virtual peers join rooms and call each
// other as browsers do, every message is checked, and a verdict says whether the
// server may go live.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/parley-rtc/parley/cmd/soak/internal/plan"
	"github.com/parley-rtc/parley/cmd/soak/internal/report"
)

// version is set by the linker for releases.
var version = ""

const usage = `Soak load-tests a WebRTC signaling server, checks every message, and says whether
the server may go live.

Usage:
  soak [flags]                     test a server
  soak compare A.json B.json       tell whether B is worse than A
  soak merge OUT.json IN.json...   add the reports of several machines
  soak schema                      print the JSON Schema of reports

Flags:
%s
Exit codes: 0 all well, 1 a fault or an objective that was not met, 2 wrong use,
3 no verdict: this client was the limit.
`

// gcPercent is GOGC where the environment sets none: messages leave no garbage, and
// thousands of connections are to stay small.
const gcPercent = 50

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run does what the arguments say and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	code, err := 0, error(nil)
	switch {
	case len(args) > 0 && args[0] == "compare":
		code, err = compare(args[1:], stdout)
	case len(args) > 0 && args[0] == "merge":
		code, err = merge(args[1:], stdout)
	case len(args) > 0 && args[0] == "schema":
		fmt.Fprint(stdout, report.Schema)
	default:
		code, err = test(ctx, args, stdout, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "soak: %v\n", err)
		return report.ExitUsage
	}
	return code
}

// test runs a load test.
func test(ctx context.Context, args []string, stdout, stderr io.Writer) (int, error) {
	p, err := plan.Load(args, os.LookupEnv)
	switch {
	case err != nil:
		return 0, err
	case p.Help:
		fmt.Fprintf(stdout, usage, plan.Usage())
		return report.ExitOK, nil
	case p.Version:
		fmt.Fprintf(stdout, "soak %s (%s, %s/%s)\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return report.ExitOK, nil
	}
	out, err := newOutput(p, stdout, stderr)
	if err != nil {
		return 0, err
	}
	t, err := newTest(ctx, p, out)
	if err != nil {
		return 0, err
	}
	r := t.run(ctx)
	return r.Verdict.Exit, out.finish(r)
}

// buildVersion is the linker's version, or what the go command noted.
func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown"
}
