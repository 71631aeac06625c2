package wire

import "testing"

// The partitions of these rooms are known: clients in other languages find the same.
func TestPartitionOf(t *testing.T) {
	for room, want := range map[string]int{"": 193, "a": 192, "lobby": 133, "Füße 🚪": 130} {
		if p := PartitionOf(room); p != want {
			t.Errorf("%q is in partition %d", room, p)
		}
	}
}
