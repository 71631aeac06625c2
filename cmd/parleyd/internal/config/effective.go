package config

import (
	"net/url"

	"github.com/spf13/pflag"
)

// Effective returns the settings that are in force, by their names, for those who
// run the server. Secrets stand in files, of which it has the names; what of a URL
// may be secret is left out, and so are hashes of passcodes.
func (c *Config) Effective() map[string]any {
	all := map[string]any{}
	c.flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "version" || f.Name == "help" {
			return
		}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			all[f.Name] = list.GetSlice()
			return
		}
		all[f.Name] = bare(f.Value.String())
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

// bare takes user and query out of an HTTP URL.
func bare(value string) string {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return value
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
