package config

import (
	"fmt"
	"os"
	"reflect"
	"slices"

	"github.com/spf13/pflag"
)

// live names the settings that a running daemon can take over. All others need a restart.
var live = map[string]bool{
	"admin-token-file": true, "allow-origin": true, "trusted-proxy": true, roomsKey: true, "log-level": true,
	"max-message-bytes": true, "max-connections": true, "max-rooms": true, "max-room-members": true, "queue-bytes": true,
	"rate": true, "burst": true, "rate-bytes": true, "burst-bytes": true, "rate-changes": true, "burst-changes": true,
	"rate-fan-out": true, "burst-fan-out": true,
	"max-connections-per-ip": true, "connect-rate-per-ip": true,
	"ping-interval": true, "ping-timeout": true, "join-timeout": true, "resume-window": true, "drain-delay": true, "drain-timeout": true,
	"ice-server": true, "turn-secret-file": true, "turn-ttl": true,
	"auth-secret-file": true, "auth-jwks": true, "auth-jwks-refresh": true, "auth-optional": true, "auth-issuer": true, "auth-audience": true,
	"kick-ban": true, "join-webhook": true, "join-webhook-timeout": true, "join-webhook-cache": true, "join-webhook-fail-open": true,
	"event-webhook": true, "webhook-secret-file": true,
}

// remember notes what the command line has given, for Again.
func (c *Config) remember() {
	c.given = make(map[string][]string)
	c.flags.VisitAll(func(f *pflag.Flag) {
		if !f.Changed { // Visit does not see those that another set has parsed
			return
		}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			c.given[f.Name] = slices.Clone(list.GetSlice())
			return
		}
		c.given[f.Name] = []string{f.Value.String()}
	})
}

// Again reads the settings anew, from the same command line, the environment and the
// file, which must not be empty. The error is one line for people.
func (c *Config) Again(lookup func(string) (string, bool)) (*Config, error) {
	fresh := New()
	for name, values := range c.given {
		if err := set(fresh.flags.Lookup(name), values); err != nil {
			return nil, err
		}
	}
	if err := fresh.Complete(lookup); err != nil {
		return nil, err
	}
	// Whoever writes a file empties it first. Without its settings, anybody might join. What
	// was read counts: it may have been filled since.
	if info, err := os.Stat(fresh.file); fresh.blank && (err != nil || info.Mode().IsRegular()) {
		return nil, fmt.Errorf("config: %s is empty", fresh.file)
	}
	return fresh, nil
}

// Changed returns the names of the settings that differ from older ones, sorted: those
// that a running daemon can take over, and those that need a restart.
func (c *Config) Changed(older *Config) (taken, restart []string) {
	add := func(name string) {
		if live[name] && c.canTake(older, name) {
			taken = append(taken, name)
		} else {
			restart = append(restart, name)
		}
	}
	c.flags.VisitAll(func(f *pflag.Flag) {
		if !command[f.Name] && !c.Same(older, f.Name) {
			add(f.Name)
		}
	})
	if !c.Same(older, roomsKey) {
		add(roomsKey)
	}
	slices.Sort(taken)
	slices.Sort(restart)
	return taken, restart
}

// canTake reports whether a live setting can change in this way.
func (c *Config) canTake(older *Config, name string) bool {
	switch name {
	case "resume-window": // memberships are resumable from the start, or never
		return (c.ResumeWindow == 0) == (older.ResumeWindow == 0)
	case "event-webhook": // the hub tells its events from the start, or never
		return older.Webhooks.Event != ""
	}
	return true
}

// Same reports whether settings have the values that they have in another configuration.
func (c *Config) Same(other *Config, names ...string) bool {
	for _, name := range names {
		if name == roomsKey {
			if !reflect.DeepEqual(c.Rooms, other.Rooms) {
				return false
			}
		} else if c.flags.Lookup(name).Value.String() != other.flags.Lookup(name).Value.String() {
			return false
		}
	}
	return true
}

// Keep takes the values of settings over from another configuration.
func (c *Config) Keep(other *Config, names []string) {
	for _, name := range names {
		to, from := c.flags.Lookup(name), other.flags.Lookup(name)
		if list, ok := to.Value.(pflag.SliceValue); ok {
			_ = list.Replace(slices.Clone(from.Value.(pflag.SliceValue).GetSlice()))
			continue
		}
		_ = to.Value.Set(from.Value.String()) // it is one that was valid
	}
}
