package cluster

import (
	"fmt"
	"testing"
)

func nodeNamesOf(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("node-%03d", i))
	}
	return names
}

// counts returns how many partitions each node owns.
func (s placement) counts() map[string]int {
	counts := map[string]int{}
	for _, name := range s.owners {
		counts[name]++
	}
	return counts
}

// Nodes own the same number of partitions to one part, up to a hundred of them.
func TestPlacementIsEven(t *testing.T) {
	for n := 1; n <= 100; n++ {
		counts := place(nodeNamesOf(n)).counts()
		for _, name := range nodeNamesOf(n) {
			if least := Partitions / n; counts[name] < least || counts[name] > least+1 {
				t.Errorf("of %d nodes, %s owns %d", n, name, counts[name])
			}
		}
	}
}

// When a node comes or goes, not many more partitions move than must.
func TestPlacementStays(t *testing.T) {
	for n := 2; n <= 100; n++ {
		all := nodeNamesOf(n)
		with, without := place(all), place(all[1:])
		moved, must := 0, 0
		for p := range with.owners {
			if with.owners[p] != without.owners[p] {
				moved++
			}
			if with.owners[p] == all[0] {
				must++
			}
		}
		if moved > 2*must+Partitions/8 {
			t.Errorf("with %d nodes, %d partitions move for the %d of one node", n, moved, must)
		}
	}
}

// Without a node nobody owns anything.
func TestNothingIsPlacedWithoutNodes(t *testing.T) {
	if owner := place(nil).owners[0]; owner != "" {
		t.Errorf("%q owns something", owner)
	}
}
