package wsconn

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// wrappedListener wraps its connections as metrics middleware does: by embedding
// the socket, so that they have all of its methods.
type wrappedListener struct {
	net.Listener

	read, written *atomic.Int64
}

func (l wrappedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return wrappedConn{c.(*net.TCPConn), l.read, l.written}, nil
}

type wrappedConn struct {
	*net.TCPConn

	read, written *atomic.Int64
}

func (c wrappedConn) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	c.read.Add(int64(n))
	return n, err
}

func (c wrappedConn) Write(b []byte) (int, error) {
	n, err := c.TCPConn.Write(b)
	c.written.Add(int64(n))
	return n, err
}

// A connection that wraps a socket sees every byte in its own Read and Write.
func TestWrappedConn(t *testing.T) {
	h := newHub(t, hub.Options{})
	defer h.Close()
	handler := newHandler(t, h, Options{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var read, written atomic.Int64
	web := &http.Server{Handler: handler}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = web.Serve(wrappedListener{listener, &read, &written})
	}()
	defer func() {
		_ = web.Close()
		<-served
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "http://"+listener.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	c := &client{t, ctx, conn}
	ref := strings.Repeat("x", wire.MaxRef)
	in, out := read.Load(), written.Load()
	c.send(`{"type":"ping","ref":%q}`, ref)
	c.want(`{"type":"pong","ref":"` + ref + `"}`)
	_ = conn.CloseNow()
	if err := handler.Shutdown(ctx); err != nil { // then all bytes are counted
		t.Error(err)
	}
	if n := read.Load() - in; n < int64(len(ref)) {
		t.Errorf("the wrapper's Read saw %d bytes", n)
	}
	// A write is counted when it returns, and the client may have read by then.
	for deadline := time.Now().Add(patience); written.Load()-out < int64(len(ref)); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the wrapper's Write saw %d bytes", written.Load()-out)
		}
	}
}

// Plain sockets are read without waiting, and nothing else is.
func TestRawConn(t *testing.T) {
	if !nonblocking {
		t.Skip("reads can't be tried here")
	}
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")} {
		listener, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		conn, err := net.Dial(network, listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if rawConn(conn) == nil {
			t.Errorf("%s: no descriptor", network)
		}
		if c, ok := conn.(*net.TCPConn); ok && rawConn(wrappedConn{TCPConn: c}) != nil {
			t.Error("a wrapper is gone around")
		}
	}
	if pipe, _ := net.Pipe(); rawConn(pipe) != nil {
		t.Error("a pipe has a descriptor")
	}
}

// A message that is begun and not finished closes the connection, also when its
// client goes on to answer pings; as long as more of it comes, it may take its time.
func TestUnfinishedMessage(t *testing.T) {
	o := Options{PingInterval: 10 * time.Second, PingTimeout: time.Hour, JoinTimeout: -1}
	read := func(c *raw, answer bool) <-chan int { // the code of the close frame
		code := make(chan int, 1)
		go func() {
			defer close(code)
			for {
				first, payload, err := c.frame()
				switch {
				case err != nil:
					return
				case first == 0x89 && answer:
					_, _ = c.conn.Write([]byte(masked(0x8A, payload)))
				case first == 0x88:
					code <- int(payload[0])<<8 | int(payload[1])
					_ = c.conn.Close()
					return
				}
			}
		}()
		return code
	}
	for _, begun := range []struct {
		name, bytes string
		answer      bool // pings are answered: no frame is under way
	}{
		{"a fragment", masked(0x01, `{"type":`), true},
		{"an empty fragment", masked(0x01, ""), true},
		{"half a frame", masked(0x81, ping)[:10], false},
		{"a byte", "\x81", false},
		{"a fragment and half a frame", masked(0x01, "{") + masked(0x80, "}")[:3], false},
	} {
		t.Run(begun.name, func(t *testing.T) {
			inTime(t, o, func(t *testing.T, c *raw) {
				code := read(c, begun.answer)
				time.Sleep(time.Minute) // before it is begun there is no hurry
				start := time.Now()
				c.write(begun.bytes)
				if got := <-code; got != int(wire.CloseProtocolError) {
					t.Errorf("closed with %d", got)
				}
				elapsed(t, start, unfinishedTimeout)
			})
		})
	}
	t.Run("after another message", func(t *testing.T) {
		inTime(t, o, func(t *testing.T, c *raw) {
			code := read(c, true)
			c.write(masked(0x01, `{"type":`))
			time.Sleep(time.Second)
			c.write(masked(0x80, `"ping"}`))
			time.Sleep(unfinishedTimeout / 3)
			start := time.Now()
			c.write(masked(0x01, `{"type":`))
			if got := <-code; got != int(wire.CloseProtocolError) {
				t.Errorf("closed with %d", got)
			}
			elapsed(t, start, unfinishedTimeout)
		})
	})
	t.Run("slow", func(t *testing.T) {
		o.PingInterval = -1
		inTime(t, o, func(t *testing.T, c *raw) {
			code := read(c, false)
			for range 20 {
				c.write(masked(0x01, "{"))
				for range 10 {
					time.Sleep(unfinishedTimeout - time.Second)
					c.write(masked(0x00, " "))
				}
				last := masked(0x80, "}")
				for i := range len(last) { // its payload is one byte: the rest is one wait
					time.Sleep(time.Second)
					c.write(last[i : i+1])
				}
				time.Sleep(time.Hour)
			}
			select {
			case got := <-code:
				t.Errorf("closed with %d", got)
			default:
			}
		})
	})
}

// A message in fragments takes little more memory than what of it has come.
func TestFragmentsMemory(t *testing.T) {
	const limit = 64 << 10
	for _, size := range []int{limit - 1, limit / 2, 20_000, 1000, 10} {
		var r reader
		var copied int
		r.init(idleConn{}, nil, limit, new(atomic.Uint64))
		for r.message == nil || len(r.message)+size <= limit {
			before := cap(r.message)
			r.append(make([]byte, size))
			if after := cap(r.message); after != before {
				copied += len(r.message)
			}
			if most := len(r.message) + len(r.message)/4 + 1024; cap(r.message) > min(most, limit+1024) {
				t.Fatalf("fragments of %d: %d bytes hold %d", size, len(r.message), cap(r.message))
			}
		}
		if copied > 8*limit {
			t.Errorf("fragments of %d bytes: %d bytes were copied", size, copied)
		}
	}
}

// A connection that waits for a message holds no buffer, if its socket tells when there
// is something to read.
func TestWaitingHoldsNoBuffer(t *testing.T) {
	if !nonblocking {
		t.Skip("sockets are read in another way on this system")
	}
	client, ours := socketPair(t, nil)
	defer ours.Close()
	var r reader
	r.init(ours, nil, 1<<16, new(atomic.Uint64))
	if _, err := client.Write([]byte(masked(0x81, ping))); err != nil {
		t.Fatal(err)
	}
	if _, payload, err := r.next(); err != nil || string(payload) != ping {
		t.Fatalf("%q %v", payload, err)
	}
	_ = ours.SetReadDeadline(time.Now().Add(time.Millisecond))
	if err := r.read(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	if r.s != nil {
		t.Errorf("it holds %d bytes", len(r.s.buf))
	}
}

// misaligned sends frames without a pause, some bytes at a time.
type misaligned struct {
	net.Conn
	frames []byte
	at     int
}

func (e *misaligned) Read(b []byte) (int, error) {
	b = b[:min(len(b), 700)]
	for i := range b {
		b[i] = e.frames[e.at]
		e.at = (e.at + 1) % len(e.frames)
	}
	return len(b), nil
}

// A buffer does not grow with what goes through it, however frames and reads fall.
func TestBufferStaysSmall(t *testing.T) {
	var r reader
	r.init(&misaligned{Conn: idleConn{}, frames: []byte(masked(0x81, strings.Repeat("x", 999)))}, nil, 1<<16, new(atomic.Uint64))
	for range 1000 {
		if _, payload, err := r.next(); err != nil || len(payload) != 999 {
			t.Fatalf("%d bytes, %v", len(payload), err)
		}
	}
	if n := len(r.s.buf); n > 4*waitBytes {
		t.Errorf("it has grown to %d bytes", n)
	}
}

// Any other connection holds a small buffer while it waits, also after a long message.
func TestWaitingHoldsLittle(t *testing.T) {
	client, ours := net.Pipe()
	defer client.Close()
	defer ours.Close()
	var r reader
	r.init(ours, nil, 1<<16, new(atomic.Uint64))
	for _, n := range []int{10, 50_000, 20} {
		long := strings.Repeat("x", n)
		go func() { _, _ = client.Write([]byte(masked(0x81, long))) }()
		if _, payload, err := r.next(); err != nil || string(payload) != long {
			t.Fatalf("%d bytes, %v", len(payload), err)
		}
		_ = ours.SetReadDeadline(time.Now().Add(time.Millisecond))
		if err := r.read(1); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		_ = ours.SetReadDeadline(time.Time{})
		if held := len(r.s.buf); held > waitBytes {
			t.Errorf("it holds %d bytes after a message of %d", held, n)
		}
	}
}
