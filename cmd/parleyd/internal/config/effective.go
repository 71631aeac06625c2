package config

import (
	"github.com/spf13/pflag"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/redact"
)

// Effective returns the settings that are in force, by their names, for
// operators. Secrets are in files, and it has only the files' names. Users and queries of
// URLs are left out, and so are hashes of passcodes.
func (c *Config) Effective() map[string]any {
	all := map[string]any{}
	c.flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "version" || f.Name == "help" {
			return
		}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			all[f.Name] = redact.URLs(list.GetSlice())
			return
		}
		all[f.Name] = redact.URL(f.Value.String())
	})
	rooms := map[string]any{}
	for name, rule := range c.Rooms {
		rooms[name] = map[string]any{
			"max-members": rule.MaxMembers, "token": rule.Token, "passcode": rule.Passcode != "",
		}
	}
	all[roomsKey] = rooms
	return all
}
