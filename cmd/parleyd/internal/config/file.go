package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// maxFileBytes is far more than a file of all settings needs.
const maxFileBytes = 1 << 20

// decode reads a YAML mapping of settings.
func (c *Config) decode(path string, r io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(r, maxFileBytes+1))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if len(text) > maxFileBytes {
		return fmt.Errorf("%s: larger than %d bytes", path, maxFileBytes)
	}
	c.blank = len(bytes.TrimSpace(text)) == 0
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	var document yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		return oneLine(path, err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: holds more than one document", path)
	}
	top := document.Content[0]
	if top.Kind == yaml.ScalarNode && top.Tag == "!!null" {
		return nil
	}
	if top.Kind != yaml.MappingNode {
		return fmt.Errorf("%s:%d: not a mapping of settings", path, top.Line)
	}
	return c.settings(path, top.Content)
}

// settings applies keys and values, which alternate.
func (c *Config) settings(path string, nodes []*yaml.Node) error {
	seen := map[string]bool{}
	for i := 0; i+1 < len(nodes); i += 2 {
		key, value := nodes[i], nodes[i+1]
		flag := c.flags.Lookup(key.Value)
		known := flag != nil && !command[key.Value] || key.Value == roomsKey
		switch {
		case key.Kind != yaml.ScalarNode || !known:
			return fmt.Errorf("%s:%d: unknown setting %q; see parleyd --help", path, key.Line, key.Value)
		case seen[key.Value]:
			return fmt.Errorf("%s:%d: %s appears twice", path, key.Line, key.Value)
		}
		seen[key.Value] = true
		if err := c.setting(flag, value); err != nil {
			return fmt.Errorf("%s:%d: %s: %w", path, key.Line, key.Value, err)
		}
	}
	return nil
}

// setting takes over one value: of a flag, or the rules for rooms.
func (c *Config) setting(flag *pflag.Flag, value *yaml.Node) error {
	if flag == nil {
		return c.rooms(value)
	}
	values, err := scalars(value)
	if err != nil {
		return err
	}
	return set(flag, values)
}

// scalars returns a scalar, or the elements of a list of scalars.
func scalars(n *yaml.Node) ([]string, error) {
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag != "!!null":
		return []string{n.Value}, nil
	case n.Kind == yaml.SequenceNode:
		values := []string{}
		for _, e := range n.Content {
			if e.Kind != yaml.ScalarNode || e.Tag == "!!null" {
				return nil, errors.New("a list here holds plain values only")
			}
			values = append(values, e.Value)
		}
		return values, nil
	}
	return nil, errors.New("must be a plain value or a list of them")
}

func oneLine(path string, err error) error {
	return fmt.Errorf("%s: %s", path, strings.Join(strings.Fields(err.Error()), " "))
}
