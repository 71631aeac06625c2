// Package config reads the daemon's settings: flags, environment variables and a
// YAML file, in this order of weight, over the defaults. Every setting has one
// name: --max-rooms, PARLEY_MAX_ROOMS and the key max-rooms are the same.
package config

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/gate"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/sockets"
)

// Config holds the daemon's settings.
type Config struct {
	Listen      []string
	AdminListen string
	AdminToken  string
	TLSCert     string
	TLSKey      string
	ACME        ACME
	Redirect    string // listener that redirects to HTTPS
	StateDir    string
	BasePath    string // begins with a slash and does not end with one; empty: none
	Ancestors   []string

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
	ProxyProtocol   bool
	Burst           int
	RateBytes       int
	BurstBytes      int
	RateChanges     int
	BurstChanges    int
	RateFanOut      int
	BurstFanOut     int

	PingInterval time.Duration
	PingTimeout  time.Duration
	JoinTimeout  time.Duration
	ResumeWindow time.Duration
	DrainDelay   time.Duration
	DrainTimeout time.Duration

	ICEServers     []string
	TURNSecretFile string
	TURNTTL        time.Duration
	TURN           TURN

	Auth     Auth
	KickBan  time.Duration
	Webhooks Webhooks
	Rooms    gate.Rules // from the file only
	Cluster  Cluster
	Calls    bool
	Dialects Dialects

	LogLevel  string
	LogFormat string

	// Version asks for a text instead of a start.
	Version bool

	file  string
	blank bool                // the file had no text
	flags *pflag.FlagSet      // that the settings are tied to
	given map[string][]string // by the command line
}

// ACME says for which names certificates are obtained, and where.
type ACME struct {
	Domains               []string
	Dir                   string
	Directory, Root, Mail string
}

// On reports whether certificates are obtained.
func (a *ACME) On() bool { return len(a.Domains) > 0 }

// TLS reports whether clients connect with TLS.
func (c *Config) TLS() bool { return c.TLSCert != "" || c.ACME.On() }

// Shares reports whether TURN over TLS is on the page's first TCP port.
func (c *Config) Shares() bool { return c.TURN.TLSListen != "" && c.TURN.TLSListen == c.firstTCP() }

// firstTCP returns the first TCP address of the page; empty: there is none.
func (c *Config) firstTCP() string {
	for _, text := range c.Listen {
		if a, err := sockets.Parse(text); err == nil && a.TCP != "" {
			return a.TCP
		}
	}
	return ""
}

// Addresses returns what the page and /ws listen on.
func (c *Config) Addresses() (all []sockets.Address, err error) {
	for _, text := range c.Listen {
		a, err := sockets.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		all = append(all, a)
	}
	if len(all) == 0 {
		return nil, errors.New("listen: there is no address")
	}
	return all, nil
}

// Auth says which tokens are taken.
type Auth struct {
	SecretFile, JWKS string
	Refresh          time.Duration
	Optional         bool
	Issuer, Audience string
}

// On reports whether tokens are looked at.
func (a *Auth) On() bool { return a.SecretFile != "" || a.JWKS != "" }

// Webhooks says which application is asked and told.
type Webhooks struct {
	Join       string
	Timeout    time.Duration
	Cache      time.Duration
	FailOpen   bool
	Event      string
	SecretFile string
}

// On reports whether there is any webhook.
func (w *Webhooks) On() bool { return w.Join != "" || w.Event != "" }

// Cluster says whether and how the daemon is one node of several.
type Cluster struct {
	Name, Node             string
	Listen                 string
	Peers                  []string
	Dir                    string
	SecretFile             string
	TLSCert, TLSKey, TLSCA string
	NATS                   []string
	NATSCreds              string
	Direct                 string   // address of direct connections, auto or off
	Advertise              []string // where the others reach it
}

// Off, in place of an address, says that there is none.
const Off = "off"

// DirectListen returns the address on which the other nodes connect directly; empty: none.
// auto is the host of cluster-listen and any free port, and off with an external NATS
// server: which address that is for is not known.
func (c *Cluster) DirectListen() string {
	switch {
	case c.Direct == Off || c.Direct == Auto && c.Listen == "":
		return ""
	case c.Direct == Auto:
		host, _, _ := net.SplitHostPort(c.Listen) // has been checked
		return net.JoinHostPort(host, "0")
	}
	return c.Direct
}

// On reports whether the daemon is one node of several.
func (c *Cluster) On() bool { return c.Listen != "" || len(c.NATS) > 0 }

// TURN says whether and how the daemon is a TURN server itself.
type TURN struct {
	Listen, TLSListen string
	PublicIPs         []string // addresses, or auto
	Host              string
	PortRange         string
	AllowPeers        []string
	MaxAllocations    int
	MaxPerIP          int
	Rate              int
}

// On reports whether the daemon is a TURN server.
func (t *TURN) On() bool { return t.Listen != "" || t.TLSListen != "" }

// command names the flags that are no settings.
var command = map[string]bool{"config": true, "version": true, "help": true}

// New returns settings that all have their defaults.
func New() *Config {
	c := new(Config)
	c.flags = pflag.NewFlagSet("parleyd", pflag.ContinueOnError)
	c.flags.SortFlags = false
	c.flags.SetOutput(io.Discard)
	c.define(c.flags)
	return c
}

// Flags returns the flags that the settings are tied to, to be parsed.
func (c *Config) Flags() *pflag.FlagSet { return c.flags }

// Load reads the settings from args (without the program's name), the
// environment and the file that either names, and checks them. The error is one
// line for people.
func Load(args []string, lookup func(string) (string, bool)) (*Config, error) {
	c := New()
	if err := c.flags.Parse(args); err != nil {
		return nil, err
	}
	if c.flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", c.flags.Arg(0))
	}
	return c, c.Complete(lookup)
}

// Complete reads what the flags have left open from the environment and the file
// that either names, and checks all. The error is one line for people.
func (c *Config) Complete(lookup func(string) (string, bool)) error {
	c.remember()
	if err := fromEnvironment(c.flags, lookup); err != nil {
		return err
	}
	if c.file != "" {
		if err := c.fromFile(); err != nil {
			return err
		}
	}
	c.derive()
	return c.check()
}

// stateDir returns the folder that systemd has made for the service, or else one of the
// user's (XDG Base Directory Specification); empty: there is none.
func stateDir() string {
	if dir, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":"); dir != "" {
		return dir
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "parleyd")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".local", "state", "parleyd")
}

// derive gives settings that were left out the values that follow from others.
func (c *Config) derive() {
	given := c.flags.Changed
	if !given("state-dir") {
		c.StateDir = stateDir()
	}
	for i, name := range c.ACME.Domains {
		c.ACME.Domains[i] = strings.ToLower(name)
	}
	c.BasePath = strings.TrimSuffix(c.BasePath, "/")
	if c.ACME.On() {
		if !given("listen") {
			c.Listen = []string{":443"}
		}
		if !given("redirect-listen") {
			c.Redirect = ":80"
		}
		if c.ACME.Dir == "" && c.StateDir != "" {
			c.ACME.Dir = filepath.Join(c.StateDir, "acme")
		}
	}
	t := &c.TURN
	if len(t.PublicIPs) > 0 && !given("turn-listen") && !given("turn-tls-listen") {
		t.Listen = ":3478"
	}
	if c.ACME.On() && t.On() {
		if !given("turn-tls-listen") {
			t.TLSListen = c.firstTCP()
		}
		if t.Host == "" {
			t.Host = c.ACME.Domains[0]
		}
	}
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
		name := prefix + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
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

func (c *Config) fromFile() error {
	file, err := os.Open(c.file)
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	defer file.Close()
	return c.decode(c.file, file)
}
