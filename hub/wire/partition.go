package wire

import "hash/fnv"

// Partitions is how many parts the nodes of a cluster divide the rooms into. A hundred
// nodes have two or three each.
const Partitions = 256

// PartitionOf returns the partition of a room, 0 to Partitions-1: the 64-bit FNV-1a hash of
// its name, its halves joined by XOR, modulo Partitions. Clients put it into the URL: a load balancer
// can bring all members of a room to one node without learning the room.
func PartitionOf(room string) int {
	h := fnv.New64a()
	_, _ = h.Write([]byte(room))
	x := h.Sum64()
	x ^= x >> 32
	return int(x % Partitions)
}
