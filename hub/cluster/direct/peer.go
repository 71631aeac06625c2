package direct

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/cluster"
)

const (
	// writeTime is the least time that a write may block, and writeSlack how much longer it
	// may: the deadline is not set for every packet. A node that takes longer is paused, or out
	// of reach.
	writeTime  = time.Second
	writeSlack = 250 * time.Millisecond
	// answerTime is how long nothing may come back for what was sent, answerPause how long
	// the other end lets that wait.
	answerTime  = 2 * time.Second
	answerPause = 500 * time.Millisecond
	// firstPause is the time between two tries to connect, twice as long each time up to
	// lastPause. It is the first again when a connection has lasted for lastPause.
	firstPause = 250 * time.Millisecond
	lastPause  = 15 * time.Second
)

// peer is another node, as this one sends to it.
type peer struct {
	b    *Backplane
	node string

	writing sync.Mutex // held while a packet is written
	scratch []byte     // guarded by writing

	mu       sync.Mutex
	key      digest        // guarded by mu
	names    []string      // where it listens; guarded by mu
	known    bool          // it has told both; guarded by mu
	conn     *tls.Conn     // nil: none; guarded by mu
	since    time.Time     // that it has been there; guarded by mu
	dialing  bool          // guarded by mu
	pause    time.Duration // guarded by mu
	next     time.Time     // when to try again; guarded by mu
	until    time.Time     // the write deadline of conn; guarded by mu
	awaiting bool          // something was sent since the last answer; guarded by mu
	told     string        // the last error in the log; guarded by mu
}

// know takes in a greeting.
func (p *peer) know(g greeting) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key, p.names, p.known = digest(g.Key), g.Addresses, true
}

func (p *peer) has(key digest) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known && p.key == key
}

func (p *peer) connected() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conn != nil
}

// seeks reports whether it is time to try to connect, and puts the next time off.
func (p *peer) seeks(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil || p.dialing || now.Before(p.next) {
		return false
	}
	p.next = now.Add(p.pause)
	p.pause = min(2*p.pause, lastPause)
	return true
}

// begins reports whether a connection is to be made now.
func (p *peer) begins() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil || p.dialing {
		return false
	}
	p.dialing = true
	return true
}

// connect tries the addresses one after the other. It has a goroutine of its own, which
// then reads the answers.
func (p *peer) connect() {
	p.mu.Lock()
	names, key := p.names, p.key
	p.mu.Unlock()
	err := errors.New("the node has announced no address")
	for _, address := range names {
		var conn *tls.Conn
		if conn, err = p.dial(address, key); err == nil {
			p.use(conn, address)
			return
		}
	}
	p.mu.Lock()
	p.dialing = false
	p.tell(err)
	p.mu.Unlock()
}

func (p *peer) dial(address string, key digest) (*tls.Conn, error) {
	d := net.Dialer{Timeout: handshakeTime, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: answerTime, Interval: answerTime, Count: 3}}
	raw, err := d.DialContext(p.b.ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(p.b.ctx, func() { _ = raw.Close() })()
	conn := tls.Client(raw, p.b.identity.config(func(k digest) bool { return k == key }))
	_ = raw.SetDeadline(time.Now().Add(handshakeTime))
	if err := conn.HandshakeContext(p.b.ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	// In TLS 1.3 the other end may refuse us after this; its first answer says that it has
	// not.
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return conn, raw.SetDeadline(time.Time{})
}

// use sends by a connection from now on, and reads its answers until it ends.
func (p *peer) use(conn *tls.Conn, address string) {
	p.mu.Lock()
	p.dialing = false
	if p.b.ctx.Err() != nil {
		p.mu.Unlock()
		hangUp(conn)
		return
	}
	p.conn, p.since, p.until, p.awaiting, p.told = conn, time.Now(), time.Time{}, false, ""
	p.mu.Unlock()
	p.b.options.Logger.Info(EventConnected, zap.String("node", p.node), zap.String("address", address))
	answer := make([]byte, 1)
	for {
		if _, err := conn.Read(answer); err != nil {
			p.mu.Lock()
			p.drop(conn, err)
			p.mu.Unlock()
			return
		}
		p.mu.Lock()
		if p.conn == conn {
			p.awaiting = false
			_ = conn.SetReadDeadline(time.Time{})
		}
		p.mu.Unlock()
	}
}

// drop ends a connection. The caller holds mu.
func (p *peer) drop(conn *tls.Conn, why error) {
	hangUp(conn)
	if p.conn != conn {
		return
	}
	p.conn = nil
	if time.Since(p.since) > lastPause {
		p.pause, p.next = firstPause, time.Time{}
	}
	p.tell(why)
}

// tell tells the log why there is no connection, once. The caller holds mu.
func (p *peer) tell(why error) {
	if p.b.ctx.Err() == nil && why.Error() != p.told {
		p.told = why.Error()
		p.b.options.Logger.Info(EventDisconnected, zap.String("node", p.node), zap.Error(why))
	}
}

func (p *peer) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		hangUp(p.conn)
	}
}

// hangUp closes a connection without TLS's closing alert: writing that takes up to 5 s if the
// other end does not read.
func hangUp(conn *tls.Conn) { _ = conn.NetConn().Close() }

// A packet is written behind its length, the first part of it in the same TLS record.
const (
	lengthBytes = 4
	recordBytes = 16 << 10
)

// write sends a packet, and reports whether it is on its way. It may get lost even then,
// with the connection.
func (p *peer) write(packet []byte) bool {
	p.writing.Lock()
	defer p.writing.Unlock()
	conn := p.sends(time.Now())
	if conn == nil {
		return false
	}
	b := binary.LittleEndian.AppendUint32(p.scratch[:0], uint32(len(packet)))
	first := min(len(packet), recordBytes-lengthBytes)
	p.scratch = append(b, packet[:first]...)
	_, err := conn.Write(p.scratch)
	if err == nil && first < len(packet) {
		_, err = conn.Write(packet[first:])
	}
	if err != nil {
		p.mu.Lock()
		p.drop(conn, err)
		p.mu.Unlock()
	}
	return err == nil
}

// sends returns the connection, on which a packet is about to be written; nil: there is
// none.
func (p *peer) sends(now time.Time) *tls.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == nil {
		return nil
	}
	if !p.awaiting {
		p.awaiting = true
		_ = p.conn.SetReadDeadline(now.Add(answerTime))
	}
	if p.until.Before(now.Add(writeTime)) { // not for each packet: it costs as much as a small one
		p.until = now.Add(writeTime + writeSlack)
		_ = p.conn.SetWriteDeadline(p.until)
	}
	return p.conn
}

// readPackets takes packets from a connection until it ends, and answers them: one byte,
// for all that have come in a while.
func readPackets(conn net.Conn, receive func(packet []byte)) {
	var due atomic.Bool
	write := func() {
		_ = conn.SetWriteDeadline(time.Now().Add(writeTime))
		_, _ = conn.Write([]byte{0}) // where that fails, reading does soon
	}
	write() // the other end may send
	var packet []byte
	for {
		var err error
		if packet, err = readPacket(conn, packet); err != nil {
			return
		}
		if due.CompareAndSwap(false, true) {
			time.AfterFunc(answerPause, func() {
				due.Store(false)
				write()
			})
		}
		receive(packet)
	}
}

var errTooLong = errors.New("direct: a packet is too long")

// readPacket returns the next packet. It reuses the memory of before if that is large enough.
func readPacket(conn io.Reader, before []byte) ([]byte, error) {
	var length [lengthBytes]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	n := int(binary.LittleEndian.Uint32(length[:]))
	if n > cluster.MaxPacket {
		return nil, errTooLong
	}
	packet := slices.Grow(before[:0], n)[:n]
	_, err := io.ReadFull(conn, packet)
	return packet, err
}
