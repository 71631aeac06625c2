package wire

import (
	"fmt"
	"testing"
)

// Names that share a place are all found, and others with their hash are not.
func TestNameTable(t *testing.T) {
	var table nameTable
	for i := range 100 {
		table.add(fmt.Sprintf("name %d", i), uint32(i+1))
	}
	for i := range 100 {
		if got := find(&table, fmt.Sprintf("name %d", i)); got != uint32(i+1) {
			t.Errorf("name %d: %d", i, got)
		}
	}
	for _, name := range []string{"", "n", "name", "name 100", "nome 1", "\xff"} {
		if got := find(&table, name); got != 0 {
			t.Errorf("%q: %d", name, got)
		}
	}
}
