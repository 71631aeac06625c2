package cluster

import (
	"bytes"
	"encoding/binary"
	"time"
)

// incarnations returns whose packet it is and to whom; ok is false if it is none.
func incarnations(packet []byte) (from, to uint64, ok bool) {
	if len(packet) < headerBytes {
		return 0, 0, false
	}
	return binary.LittleEndian.Uint64(packet), binary.LittleEndian.Uint64(packet[8:]), true
}

// receive takes a packet of this link. It keeps nothing of its memory.
func (l *link) receive(packet []byte) {
	l.receiving.Lock()
	defer l.receiving.Unlock()
	le := binary.LittleEndian
	kind, seq, ack := packet[16], le.Uint64(packet[17:]), le.Uint64(packet[25:])
	l.mu.Lock()
	progress := l.acknowledged(ack)
	switch kind {
	default:
		l.mu.Unlock()
		l.refuse(0)
		return
	case packetAck:
	case packetGap:
		for b := packet[headerBytes:]; len(b) >= 8; b = b[8:] {
			l.due(le.Uint64(b))
		}
	case packetData:
		if now := time.Now(); seq > l.expected {
			if _, here := l.early[seq]; !here && len(l.early) < maxEarly {
				l.early[seq] = bytes.Clone(packet)
			}
			if now.Sub(l.lastGap) > gapPause {
				l.gap, l.lastGap = true, now
			}
		}
	}
	l.mu.Unlock()
	if progress {
		l.progress()
	}
	switch kind {
	case packetData:
		l.take(seq, packet)
		l.acknowledge(len(packet))
	case packetGap:
		l.rouse()
	}
}

// refuse says that a record of a kind can't be read; 0: where it ends can't be told. Nothing more
// of this link is taken, since what is missing can't be told either: to the nodes it is as if
// they did not reach each other. Any goroutine may call it that does not hold mu.
func (l *link) refuse(kind byte) {
	l.mu.Lock()
	first := l.refused.IsZero()
	if first {
		l.refused = time.Now()
		l.isBad.Store(true)
	}
	l.mu.Unlock()
	if first {
		l.complain(kind)
	}
}

func (l *link) isRefused() bool { return l.isBad.Load() }

// take delivers a packet if it is the one that is expected, and those behind it that
// have come before.
func (l *link) take(seq uint64, packet []byte) {
	for {
		l.mu.Lock()
		is := seq == l.expected
		l.mu.Unlock()
		if !is || !l.arrives(seq, packet[headerBytes:]) {
			return
		}
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			return
		}
		l.expected++
		seq = l.expected
		next, here := l.early[seq]
		delete(l.early, seq)
		l.mu.Unlock()
		if !here {
			return
		}
		packet = next
	}
}

// arrives delivers the records that end in a packet, and keeps the beginning of the one that
// does not. If it reports false, the packet is to be taken again.
func (l *link) arrives(seq uint64, b []byte) bool {
	before := len(l.partial)
	if before > 0 {
		l.partial = append(l.partial, b...)
		b = l.partial
	}
	end := 0
	for len(b)-end >= lengthBytes {
		size := int(binary.LittleEndian.Uint32(b[end:]))
		if size > len(b)-end-lengthBytes {
			break
		}
		end += lengthBytes + size
	}
	switch {
	case !l.arrive(seq, b[:end]):
		l.partial = l.partial[:before]
		return false
	case end > 0 && cap(l.partial) > maxKept:
		l.partial = bytes.Clone(b[end:])
	case end > 0 || before == 0:
		l.partial = append(l.partial[:0], b[end:]...)
	}
	return true
}

// due has a packet sent again. The caller holds mu.
func (l *link) due(seq uint64) {
	if len(l.sent) == 0 || seq < l.sent[0].seq {
		return
	}
	if i := seq - l.sent[0].seq; i < uint64(len(l.sent)) {
		l.sent[i].sent, l.again = time.Time{}, true
	}
}

// acknowledged forgets the packets up to ack, and reports whether there were any.
// The caller holds mu.
func (l *link) acknowledged(ack uint64) bool {
	n := 0
	for n < len(l.sent) && l.sent[n].seq <= ack {
		l.waiting -= len(l.sent[n].b) - headerBytes
		l.used = append(l.used, l.sent[n].b)
		l.sent[n] = nil
		n++
	}
	l.sent = l.sent[n:]
	if n > 0 {
		l.moved = time.Now()
	}
	return n > 0
}
