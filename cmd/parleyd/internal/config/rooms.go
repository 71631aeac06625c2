package config

import (
	"errors"
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/gate"
)

// roomsKey is the key of the file that has no flag: rules for rooms, by name or
// prefix.
const roomsKey = "rooms"

// rooms reads the rules for rooms.
func (c *Config) rooms(n *yaml.Node) error {
	c.Rooms = gate.Rules{}
	return each(n, func(name string, value *yaml.Node) error {
		var rule gate.Rule
		err := each(value, func(key string, value *yaml.Node) error {
			if value.Kind != yaml.ScalarNode || value.Tag == "!!null" {
				return fmt.Errorf("%s: must be a plain value", key)
			}
			return ruleSetting(&rule, key, value.Value)
		})
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		normal := gate.NormalPattern(name)
		if _, twice := c.Rooms[normal]; twice {
			return fmt.Errorf("%q appears twice, in two spellings", name)
		}
		c.Rooms[normal] = rule
		return nil
	})
}

func ruleSetting(r *gate.Rule, key, value string) (err error) {
	switch key {
	case "max-members":
		if r.MaxMembers, err = strconv.Atoi(value); err != nil {
			return fmt.Errorf("max-members: %q is not a number", value)
		}
	case "token":
		if r.Token = gate.Need(value); r.Token == gate.AsElsewhere {
			return errors.New("token: \"\" is not required or optional")
		}
	case "passcode":
		if r.Passcode = value; value == "" {
			return errors.New("passcode: the hash is empty")
		}
	default:
		return fmt.Errorf("unknown setting %q; a rule has max-members, token and passcode", key)
	}
	return nil
}

// each calls f for the keys and values of a mapping.
func each(n *yaml.Node, f func(key string, value *yaml.Node) error) error {
	if n.Kind != yaml.MappingNode {
		return errors.New("must be a mapping")
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			return errors.New("a key here is plain text")
		}
		if seen[key.Value] {
			return fmt.Errorf("%q appears twice", key.Value)
		}
		seen[key.Value] = true
		if err := f(key.Value, n.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}
