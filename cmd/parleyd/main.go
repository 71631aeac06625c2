// Parleyd is the signaling daemon: it serves the page, the WebSocket endpoint
// /ws, health checks, and metrics and administration on a listener of their own.
// Its other commands are for operators.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/config"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/operate"
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
	os.Exit(exitCode(newRoot().Execute()))
}

// failed is an error in carrying out a valid command. The process ends with
// exitFailed, and prints nothing if the error has no text.
type failed struct{ error }

func exitCode(err error) int {
	var f failed
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &f):
		if f.error != nil {
			fmt.Fprintf(os.Stderr, "parleyd: %v\n", err)
		}
		return exitFailed
	}
	fmt.Fprintf(os.Stderr, "parleyd: %v\n", err)
	return exitUsage
}

// newRoot returns the command that is the daemon, with the others under it.
func newRoot() *cobra.Command {
	c := config.New()
	root := &cobra.Command{
		Use:   "parleyd",
		Short: "WebRTC signaling server",
		Long: `parleyd is a WebRTC signaling server.

Without a command it serves. Each flag is also an environment variable
(--max-rooms: PARLEY_MAX_ROOMS; lists separated by commas) and a key of the YAML
file given with --config (max-rooms). A flag wins over the environment, and that
over the file.`,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.Version {
				fmt.Printf("parleyd %s (%s, %s/%s)\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
				return nil
			}
			return serve(c)
		},
	}
	root.Flags().SortFlags = false
	root.Flags().AddFlagSet(c.Flags())
	root.AddCommand(newToken(), newPasscode(), newHealth(), newCheck(), newDoctor(), operate.New(), newMan(root))
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	})
	nameArguments(root)
	return root
}

// nameArguments makes commands that take arguments say which where one is missing or too many.
func nameArguments(parent *cobra.Command) {
	for _, cmd := range parent.Commands() {
		nameArguments(cmd)
		if check := cmd.Args; check != nil && !cmd.HasSubCommands() {
			cmd.Args = func(cmd *cobra.Command, args []string) error {
				if err := check(cmd, args); err != nil {
					return fmt.Errorf("%w; use: %s", err, cmd.UseLine())
				}
				return nil
			}
		}
	}
}

func serve(c *config.Config) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	if err := c.CheckEnvironment(os.Environ()); err != nil {
		return err
	}
	if err := c.Complete(os.LookupEnv); err != nil {
		return err
	}
	d, err := newDaemon(c, os.Stderr)
	if err != nil {
		return err
	}
	if code := d.serve(signals, again); code != exitOK {
		return failed{}
	}
	return nil
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

// daemonConfig returns the settings that a daemon here would have, from the
// environment and the file, if there is one.
func daemonConfig(file string) (*config.Config, error) {
	var args []string
	if file != "" {
		args = []string{"--config", file}
	}
	return config.Load(args, os.LookupEnv)
}
