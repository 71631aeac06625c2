// Package config reads the daemon's settings: flags, environment variables and a
// YAML file, in this order of weight, over the defaults. Every setting has one
// name: --max-rooms, PARLEY_MAX_ROOMS and the key max-rooms are the same.
package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Config holds the daemon's settings.
type Config struct {
	Listen      string
	AdminListen string
	AdminToken  string
	TLSCert     string
	TLSKey      string

	AllowOrigins    []string
	MaxMessageBytes int
	MaxConnections  int
	MaxRooms        int
	MaxRoomMembers  int
	QueueBytes      int
	Rate            int
	PerIP           int
	ConnectRate     int
	TrustedProxies  []string
	Burst           int

	PingInterval time.Duration
	PingTimeout  time.Duration
	JoinTimeout  time.Duration
	ResumeWindow time.Duration
	DrainTimeout time.Duration

	ICEServers     []string
	TURNSecretFile string

	LogLevel  string
	LogFormat string

	// Version and Help ask for a text instead of a start.
	Version, Help bool

	file string
}

// flags ties the settings to their names, defaults and words of help.
func (c *Config) flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("parleyd", pflag.ContinueOnError)
	f.SortFlags = false
	f.StringVar(&c.file, "config", "", "YAML `file` with any of these settings")

	f.StringVar(&c.Listen, "listen", ":8080", "`address` of the page, /ws, /healthz and /readyz")
	f.StringVar(&c.AdminListen, "admin-listen", "127.0.0.1:8081", "`address` of /metrics, /debug/pprof/ and /log/level; empty: off")
	f.StringVar(&c.AdminToken, "admin-token-file", "", "`file` with the token that the admin listener asks for; needed off loopback")
	f.StringVar(&c.TLSCert, "tls-cert", "", "certificate chain `file` (PEM): HTTPS and WSS; reloaded when it changes")
	f.StringVar(&c.TLSKey, "tls-key", "", "private key `file` (PEM)")

	f.StringArrayVar(&c.AllowOrigins, "allow-origin", nil, "host `pattern` of pages that may connect besides the same origin; * allows all; repeatable")
	f.IntVar(&c.MaxMessageBytes, "max-message-bytes", 64<<10, "longest message, in `bytes`")
	f.IntVar(&c.MaxConnections, "max-connections", 0, "connections at one time; 0: no limit")
	f.IntVar(&c.MaxRooms, "max-rooms", 0, "rooms at one time; 0: no limit")
	f.IntVar(&c.MaxRoomMembers, "max-room-members", 100, "members of one room; 0: no limit")
	f.IntVar(&c.QueueBytes, "queue-bytes", 1<<20, "`bytes` that may wait for one connection before it is closed as too slow")
	f.IntVar(&c.Rate, "rate", 200, "messages a second of one connection; 0: no limit")
	f.IntVar(&c.Burst, "burst", 1000, "messages that one connection may send at once")

	f.IntVar(&c.PerIP, "max-connections-per-ip", 0, "connections of one client address at one time (IPv6: of one /64); 0: no limit")
	f.IntVar(&c.ConnectRate, "connect-rate-per-ip", 0, "connections a second that one client address may make, and likewise joins; ten seconds' worth at once; 0: no limit")
	f.StringArrayVar(&c.TrustedProxies, "trusted-proxy", nil, "`address` or prefix of a proxy whose X-Forwarded-For or Forwarded is believed; repeatable")

	f.DurationVar(&c.PingInterval, "ping-interval", 25*time.Second, "time between WebSocket pings; 0: none")
	f.DurationVar(&c.PingTimeout, "ping-timeout", 10*time.Second, "time for the answer to a ping")
	f.DurationVar(&c.JoinTimeout, "join-timeout", 30*time.Second, "time that a connection may be in no room; 0: no limit")
	f.DurationVar(&c.ResumeWindow, "resume-window", 15*time.Second, "time that a lost connection's membership stays")
	f.DurationVar(&c.DrainTimeout, "drain-timeout", 10*time.Second, "time that connections have to end at SIGTERM")

	f.StringArrayVar(&c.ICEServers, "ice-server", nil, "STUN or TURN `URL` for members; repeatable")
	f.StringVar(&c.TURNSecretFile, "turn-secret-file", "", "`file` with the secret shared with the TURN servers")

	f.StringVar(&c.LogLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&c.LogFormat, "log-format", "json", "json, or console for people")

	f.BoolVar(&c.Version, "version", false, "print the version and exit")
	f.BoolVarP(&c.Help, "help", "h", false, "print this help and exit")
	return f
}

// Usage returns the text of --help.
func Usage() string {
	return "parleyd is a WebRTC signaling server.\n\nUsage: parleyd [flags]\n\n" +
		"Each flag is also an environment variable (--max-rooms: PARLEY_MAX_ROOMS; lists\n" +
		"separated by commas) and a key of the YAML file given with --config (max-rooms).\n" +
		"A flag wins over the environment, and that over the file.\n\nFlags:\n" +
		new(Config).flags().FlagUsages()
}

// command names the flags that are no settings.
var command = map[string]bool{"config": true, "version": true, "help": true}

// Load reads the settings from args (without the program's name), the
// environment and the file that either names, and checks them. The error is one
// line for people.
func Load(args []string, lookup func(string) (string, bool)) (*Config, error) {
	c := new(Config)
	f := c.flags()
	f.SetOutput(io.Discard)
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if c.Version || c.Help {
		return c, nil
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if err := fromEnvironment(f, lookup); err != nil {
		return nil, err
	}
	if c.file != "" {
		if err := fromFile(f, c.file); err != nil {
			return nil, err
		}
	}
	return c, c.check()
}

// set gives a flag the values of a list, or one value, unless it has been given
// in a place of more weight.
func set(flag *pflag.Flag, values []string) error {
	if flag.Changed {
		return nil
	}
	if list, ok := flag.Value.(pflag.SliceValue); ok {
		flag.Changed = true
		return list.Replace(values)
	}
	if len(values) != 1 {
		return errors.New("must be one value, not a list")
	}
	if err := flag.Value.Set(values[0]); err != nil {
		return fmt.Errorf("bad value %q: %s", values[0], strings.TrimPrefix(err.Error(), "strconv."))
	}
	flag.Changed = true
	return nil
}

func fromEnvironment(f *pflag.FlagSet, lookup func(string) (string, bool)) error {
	var failed error
	f.VisitAll(func(flag *pflag.Flag) {
		name := "PARLEY_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
		value, ok := lookup(name)
		if !ok || failed != nil || flag.Name != "config" && command[flag.Name] {
			return
		}
		values := []string{value}
		if _, list := flag.Value.(pflag.SliceValue); list {
			values = strings.FieldsFunc(value, func(r rune) bool { return r == ',' })
		}
		if err := set(flag, values); err != nil {
			failed = fmt.Errorf("%s: %w", name, err)
		}
	})
	return failed
}

func fromFile(f *pflag.FlagSet, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	defer file.Close()
	return decode(f, path, file)
}
