package plan

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// maxFields is far more than a scenario has, and bounds what is read of one.
const maxFields = 10000

// scenario is a YAML file: settings for the whole run, and phases with their own.
type scenario struct {
	common settings
	phases []settings
}

// settings are fields of the file in their order.
type settings []setting

// setting is a field and its value, or its list of values.
type setting struct {
	name   string
	values []string
}

// parse reads a scenario.
func parse(text []byte) (s scenario, err error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return s, errors.New(strings.Join(strings.Fields(err.Error()), " "))
	}
	if len(document.Content) == 0 {
		return s, errors.New("the scenario is empty")
	}
	top := document.Content[0]
	var phases *yaml.Node
	if s.common, err = mapping(top, func(key, value *yaml.Node) bool {
		if key.Value == "phases" {
			phases = value
		}
		return key.Value == "phases"
	}); err != nil || phases == nil {
		return s, err
	}
	if phases.Kind != yaml.SequenceNode || len(phases.Content) == 0 || len(phases.Content) > maxFields {
		return s, fmt.Errorf("line %d: phases must be a list of phases", phases.Line)
	}
	for _, n := range phases.Content {
		fields, err := mapping(n, func(_, _ *yaml.Node) bool { return false })
		if err != nil {
			return s, err
		}
		s.phases = append(s.phases, fields)
	}
	return s, nil
}

// mapping reads the fields of a YAML mapping, but for those that skip takes.
func mapping(n *yaml.Node, skip func(key, value *yaml.Node) bool) (list settings, err error) {
	if n.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: must be fields and their values", n.Line)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if seen[key.Value] {
			return nil, fmt.Errorf("line %d: %s appears twice", key.Line, key.Value)
		}
		seen[key.Value] = true
		if skip(key, value) {
			continue
		}
		s := setting{name: key.Value}
		switch value.Kind {
		case yaml.ScalarNode:
			s.values = []string{value.Value}
		case yaml.SequenceNode:
			for _, e := range value.Content {
				if e.Kind != yaml.ScalarNode {
					return nil, fmt.Errorf("line %d: %s: must be a list of plain values", e.Line, key.Value)
				}
				s.values = append(s.values, e.Value)
			}
		default:
			return nil, fmt.Errorf("line %d: %s: must be a plain value or a list of them", value.Line, key.Value)
		}
		list = append(list, s)
	}
	return list, nil
}

// unfit are flags that make no sense in a file.
var unfit = map[string]bool{"help": true, "version": true, "scenario": true}

// apply sets the flags of a set.
func (list settings) apply(f *pflag.FlagSet) error {
	for _, s := range list {
		flag := f.Lookup(s.name)
		if flag == nil || unfit[s.name] {
			return fmt.Errorf("unknown field %q", s.name)
		}
		if err := s.apply(flag); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// apply sets one flag.
func (s setting) apply(f *pflag.Flag) error {
	f.Changed = true
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.Replace(s.values)
	}
	if len(s.values) != 1 {
		return errors.New("takes one value")
	}
	return f.Value.Set(s.values[0])
}
