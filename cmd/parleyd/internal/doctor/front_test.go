package doctor

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/parley-rtc/parley/hub/wire"
)

// fate is what becomes of a frame.
type fate int

const (
	pass fate = iota
	drop      // the frame
	mute      // this and all that comes after it from the same side
	cut       // the connection
)

// rule decides on the frames of the n-th WebSocket, from 1, of which toServer come from
// the client.
type rule func(n int, toServer bool, h wire.Header, frame []byte) fate

// front is a proxy that passes everything on but WebSocket frames, which a rule decides on.
func front(decide rule) func(t *testing.T, backend string) string {
	return func(t *testing.T, backend string) string {
		t.Helper()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f := &proxy{backend: backend, decide: decide, conns: map[net.Conn]bool{}}
		f.running.Go(func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				f.running.Go(func() { f.serve(conn) })
			}
		})
		t.Cleanup(func() {
			_ = listener.Close()
			f.close()
			f.running.Wait()
		})
		return listener.Addr().String()
	}
}

type proxy struct {
	backend string
	decide  rule
	running sync.WaitGroup

	mu      sync.Mutex
	conns   map[net.Conn]bool // nil: closed
	sockets int
}

// hold notes connections that close ends.
func (f *proxy) hold(conns ...net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range conns {
		if f.conns == nil {
			_ = c.Close()
			continue
		}
		f.conns[c] = true
	}
}

func (f *proxy) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.conns {
		_ = c.Close()
	}
	f.conns = nil
}

func (f *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", f.backend)
	if err != nil {
		return
	}
	defer server.Close()
	f.hold(client, server)
	fromClient, fromServer := bufio.NewReader(client), bufio.NewReader(server)
	request := head(fromClient, server)
	answer := head(fromServer, client)
	if request == nil || !bytes.Contains(answer, []byte(" 101 ")) {
		_, _ = io.Copy(client, fromServer)
		return
	}
	f.mu.Lock()
	f.sockets++
	n := f.sockets
	f.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() {
		f.frames(n, true, fromClient, server)
		_ = server.Close()
		_ = client.Close()
	})
	f.frames(n, false, fromServer, client)
	_ = server.Close()
	_ = client.Close()
	both.Wait()
}

// head passes a header of HTTP on and returns it; nil: there was none.
func head(from *bufio.Reader, to io.Writer) (text []byte) {
	for {
		line, err := from.ReadBytes('\n')
		if err != nil {
			return nil
		}
		text = append(text, line...)
		if len(bytes.TrimSpace(line)) == 0 {
			_, _ = to.Write(text)
			return text
		}
	}
}

// frames passes frames on as the rule says, until the connection ends.
func (f *proxy) frames(n int, toServer bool, from io.Reader, to io.Writer) {
	var buffered []byte
	muted := false
	piece := make([]byte, 64<<10)
	for {
		h, ok, err := wire.ParseHeader(buffered)
		if err != nil {
			return
		}
		if !ok || len(buffered) < h.Size+h.Length {
			k, err := from.Read(piece)
			if err != nil {
				return
			}
			buffered = append(buffered, piece[:k]...)
			continue
		}
		frame := buffered[:h.Size+h.Length]
		switch f.decide(n, toServer, h, frame) {
		case cut:
			return
		case mute:
			muted = true
		case pass:
			if !muted {
				_, _ = to.Write(frame)
			}
		}
		buffered = buffered[len(frame):]
	}
}
