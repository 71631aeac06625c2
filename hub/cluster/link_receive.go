package cluster

import (
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

// receive takes a packet of this link, which is the link's from now on.
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
		l.ackDue = true
		if now := time.Now(); seq > l.expected {
			if len(l.early) < maxEarly {
				l.early[seq] = packet
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
	if kind == packetData {
		l.take(seq, packet)
	}
	if kind != packetAck {
		l.flush()
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
	}
	l.mu.Unlock()
	if first {
		l.complain(kind)
	}
}

func (l *link) isRefused() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.refused.IsZero()
}

// take delivers a packet if it is the one that is expected, and those behind it that
// have come before.
func (l *link) take(seq uint64, packet []byte) {
	for {
		l.mu.Lock()
		is := seq == l.expected
		l.mu.Unlock()
		if !is || !l.arrive(seq, l.whole(packet[headerBytes:])) {
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

// whole returns the records that end in a packet, and keeps the beginning of the one
// that does not.
func (l *link) whole(b []byte) []byte {
	joined := len(l.partial) > 0
	if joined {
		b = append(l.partial, b...)
		l.partial = nil
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
	case end == len(b):
	case end == 0 && joined:
		l.partial = b
	default:
		l.partial = append([]byte(nil), b[end:]...)
	}
	return b[:end:end]
}

// due has a packet sent again. The caller holds mu.
func (l *link) due(seq uint64) {
	if len(l.sent) == 0 || seq < l.sent[0].seq {
		return
	}
	if i := seq - l.sent[0].seq; i < uint64(len(l.sent)) {
		l.sent[i].sent = time.Time{}
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
