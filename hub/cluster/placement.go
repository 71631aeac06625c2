package cluster

import (
	"cmp"
	"hash/fnv"
	"slices"
)

// placement says which node should own which partition.
type placement struct {
	names  []string           // of the nodes that partitions are given to, sorted
	owners [Partitions]string // by partition; empty: there is no node
}

// place gives each partition to the node that has the largest hash with it (rendezvous
// hashing) and still has room: each gets its part, rounded down or up. So all nodes
// have the same load to one partition, few partitions move when a node comes or goes, and
// all nodes that see the same others find the same owners.
func place(names []string) placement {
	s := placement{names: names}
	if len(names) == 0 {
		return s
	}
	room := make([]int, len(names))  // what each may still have, but for one more
	more := Partitions % len(names)  // nodes that may have one more
	order := make([]int, len(names)) // nodes, by their hash with a partition
	for i := range names {
		room[i], order[i] = Partitions/len(names), i
	}
	hashes := make([]uint64, len(names))
	for p := range s.owners {
		for i, name := range names {
			hashes[i] = rank(name, p)
		}
		slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(hashes[b], hashes[a]), cmp.Compare(a, b)) })
		for _, i := range order {
			if room[i] < 0 || room[i] == 0 && more == 0 {
				continue
			}
			if room[i] == 0 {
				more--
			}
			room[i]--
			s.owners[p] = names[i]
			break
		}
	}
	return s
}

// rank returns a hash of a node and a partition.
func rank(node string, p int) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(node))
	_, _ = h.Write([]byte{'/', byte(p), byte(p >> 8)})
	x := h.Sum64()
	x ^= x >> 29
	x *= 0xbf58476d1ce4e5b9
	return x ^ x>>32
}
