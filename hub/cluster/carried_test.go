package cluster

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

// recordsOf are records as they come in one packet.
func recordsOf(l *link, all ...[]byte) *records {
	r := newRecords(l, 1, 0)
	for _, b := range all {
		r.add(append(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b...))
	}
	return r
}

// spoil overwrites memory that is used again, so that whoever has kept some of it is found out.
func spoil(b []byte) {
	if len(b) > 0 {
		b[0] = 0xDB
	}
	for n := 1; n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}

// A packet that can't be taken yet changes nothing: the records that begin or end in it are whole
// when it comes again.
func TestTakenLater(t *testing.T) {
	whole := [][]byte{bytes.Repeat([]byte("a"), 10), bytes.Repeat([]byte("b"), 1000), bytes.Repeat([]byte("c"), 10)}
	stream := recordsOf(nil, whole...).b
	for _, cut := range [][2]int{{3, 9}, {14, 16}, {20, 500}, {20, 1018}, {500, len(stream) - 1}} {
		var got, want []byte
		busy := 0
		l := newLink(&link{arrive: func(_ uint64, b []byte) bool {
			if busy++; busy%2 == 1 {
				return false
			}
			got = append(got, b...)
			return true
		}})
		for i, part := range [][]byte{stream[:cut[0]], stream[cut[0]:cut[1]], stream[cut[1]:]} {
			packet := append(make([]byte, headerBytes), part...)
			packet[16] = packetData
			binary.LittleEndian.PutUint64(packet[17:], uint64(i+1))
			for range 2 {
				l.receive(packet)
			}
		}
		if want = stream; !bytes.Equal(got, want) {
			t.Errorf("cut at %v: %d bytes of records are %d, or others", cut, len(want), len(got))
		}
	}
}

// The records of a packet have room at once: they are copied no more than once.
func TestRecordsHaveRoom(t *testing.T) {
	for _, kind := range []byte{recFrame, recForward} {
		n := newStillNode(t, wireMax)
		first, second := append([]byte{kind}, make([]byte, 3000)...), append([]byte{kind}, make([]byte, 100)...)
		stream := recordsOf(nil, first, second).b
		recordsPool.New = nil
		for recordsPool.Get() != nil { // what is kept may be larger
		}
		recordsPool.New = func() any { return new(records) }
		if !n.deliver(n.link, 1, stream) {
			t.Fatal("the packet is not taken")
		}
		inbox := n.inbox
		if kind == recFrame {
			inbox = n.edge.inbox
		}
		got := (<-inbox).(*records)
		if most := cap(slices.Grow([]byte(nil), len(stream))); got.count != 2 || len(got.b) != len(stream) || cap(got.b) > most {
			t.Errorf("%d records of %d bytes are %d with room for %d", got.count, len(stream), len(got.b), cap(got.b))
		}
	}
}
