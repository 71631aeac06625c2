// Soak load-tests a signaling server that speaks parley's protocol, or just its
// base: it joins rooms full of members, has them exchange offers, answers and
// candidates of realistic size, and checks every single one.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// Exit codes.
const (
	exitOK    = 0
	exitFault = 1 // a check failed
	exitUsage = 2
)

// options are the flags.
type options struct {
	url      string
	rooms    int
	peers    int
	rate     int
	duration time.Duration
	ramp     time.Duration
	help     bool
}

func (o *options) flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("soak", pflag.ContinueOnError)
	f.SortFlags = false
	f.SetOutput(io.Discard)
	f.StringVar(&o.url, "url", "ws://127.0.0.1:8080/ws", "WebSocket `URL` of the server")
	f.IntVar(&o.rooms, "rooms", 50, "rooms")
	f.IntVar(&o.peers, "peers", 3, "members of each room, at least 2")
	f.IntVar(&o.rate, "rate", 500, "messages a second, all members together")
	f.DurationVar(&o.duration, "duration", 30*time.Second, "time that messages are sent")
	f.DurationVar(&o.ramp, "ramp", 5*time.Second, "time over which the members join")
	f.BoolVarP(&o.help, "help", "h", false, "print this help and exit")
	return f
}

func (o *options) check() error {
	u, err := url.Parse(o.url)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss":
		return fmt.Errorf("--url: %q is not a ws:// or wss:// URL", o.url)
	case o.rooms < 1:
		return errors.New("--rooms: at least 1")
	case o.peers < 2:
		return errors.New("--peers: at least 2")
	case o.rate < 1:
		return errors.New("--rate: at least 1")
	case o.duration <= 0:
		return errors.New("--duration: must be more than 0")
	case o.ramp < 0:
		return errors.New("--ramp: must not be negative")
	}
	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	f := o.flags()
	err := f.Parse(args)
	switch {
	case err != nil:
	case o.help:
		fmt.Fprintf(stdout, "soak load-tests a signaling server and checks every message.\n\nUsage: soak [flags]\n\nFlags:\n%s\n"+
			"Exit codes: 0 all well, 1 a check failed, 2 wrong use.\n", f.FlagUsages())
		return exitOK
	case f.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", f.Arg(0))
	default:
		err = o.check()
	}
	if err != nil {
		fmt.Fprintf(stderr, "soak: %v\n", err)
		return exitUsage
	}
	s := newSoak(o, stdout)
	s.run(ctx)
	if !s.report() {
		return exitFault
	}
	return exitOK
}
