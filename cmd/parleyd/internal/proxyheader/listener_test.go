package proxyheader

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/pires/go-proxyproto"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// header returns the bytes of a header for a client at 203.0.113.7 or 2001:db8::7.
func header(t testing.TB, version byte, network string, change func(*proxyproto.Header)) string {
	t.Helper()
	from, to := &net.TCPAddr{IP: net.ParseIP("203.0.113.7"), Port: 4711}, &net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 443}
	if network == "6" {
		from.IP, to.IP = net.ParseIP("2001:db8::7"), net.ParseIP("2001:db8::1")
	}
	h := proxyproto.HeaderProxyFromAddrs(version, from, to)
	if change != nil {
		change(h)
	}
	text, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func local(h *proxyproto.Header) { h.Command = proxyproto.LOCAL }

func long(h *proxyproto.Header) { pad(h, 3000) }

// longest makes an IPv4 header as long as it may be, longer one byte longer.
func longest(h *proxyproto.Header) { pad(h, maxLength-12-3) }
func longer(h *proxyproto.Header)  { pad(h, maxLength-12-3+1) }

func pad(h *proxyproto.Header, n int) {
	if err := h.SetTLVs([]proxyproto.TLV{{Type: proxyproto.PP2_TYPE_NOOP, Value: make([]byte, n)}}); err != nil {
		panic(err)
	}
}

const signature2 = "\r\n\r\n\x00\r\nQUIT\n"

// A header is read to its last byte and no further, however it arrives.
func TestRead(t *testing.T) {
	const behind = "GET / HTTP/1.1\r\n"
	for _, c := range []struct{ name, text, want string }{
		{"1, IPv4", header(t, 1, "4", nil), "203.0.113.7:4711"},
		{"1, IPv6", header(t, 1, "6", nil), "[2001:db8::7]:4711"},
		{"1, unknown", "PROXY UNKNOWN\r\n", "invalid AddrPort"},
		{"1, longest", "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", "invalid AddrPort"},
		{"2, IPv4", header(t, 2, "4", nil), "203.0.113.7:4711"},
		{"2, IPv6", header(t, 2, "6", nil), "[2001:db8::7]:4711"},
		{"2, more in it", header(t, 2, "4", long), "203.0.113.7:4711"},
		{"2, longest", header(t, 2, "4", longest), "203.0.113.7:4711"},
		{"2, longer", header(t, 2, "4", longer), ""},
		{"2, the proxy itself", header(t, 2, "4", local), "invalid AddrPort"},
		{"none", behind, ""},
		{"a cut one", header(t, 2, "4", nil)[:20], ""},
		{"a cut line", "PROXY TCP4 203.0", ""},
		{"no end", "PROXY TCP4 " + strings.Repeat("1", 200), ""},
		{"no address", "PROXY TCP4 x y 1 2\r\n", ""},
		{"only a line feed", "PROXY TCP4 203.0.113.7 192.0.2.1 1 2\n", ""},
		{"version 3", signature2 + "\x31\x11\x00\x0c" + strings.Repeat("x", 12), ""},
		{"too long", signature2 + "\x21\x11\xff\xff" + strings.Repeat("x", 65535), ""},
		{"too short for its family", signature2 + "\x21\x11\x00\x04" + strings.Repeat("x", 12), ""},
		{"nothing", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, cut := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader} {
				r := strings.NewReader(c.text + behind)
				if c.text == behind || c.want == "" {
					r = strings.NewReader(c.text)
				}
				got, err := read(cut(r))
				switch {
				case c.want == "" && err == nil:
					t.Errorf("taken: %s", got)
				case c.want != "" && (err != nil || got.String() != c.want):
					t.Errorf("%s, %v", got, err)
				case c.want != "":
					if left, _ := io.ReadAll(r); string(left) != behind {
						t.Errorf("left is %q", left)
					}
				}
			}
		})
	}
}

// listen returns a listener that trusts or does not trust this machine, and the
// address to dial.
func listen(t *testing.T, trusted bool) (*Listener, string) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := New(inner, func(a netip.Addr) bool { return trusted && a == netip.MustParseAddr("127.0.0.1") }, nil)
	t.Cleanup(func() { _ = l.Close() })
	return l, inner.Addr().String()
}

func dial(t *testing.T, address, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// A trusted proxy's connection is handed out bare, after its header.
func TestTrusted(t *testing.T) {
	l, address := listen(t, true)
	dial(t, address, header(t, 2, "4", nil)+"hello")
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, bare := c.(*net.TCPConn); !bare {
		t.Errorf("a %T", c)
	}
	if source, ok := l.Source(c); !ok || source.String() != "203.0.113.7:4711" {
		t.Errorf("source %s", source)
	}
	if _, ok := l.Source(c); ok {
		t.Error("the source is still remembered")
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
		t.Errorf("%q, %v", b, err)
	}
}

// A connection of the proxy's own has no other address.
func TestLocal(t *testing.T) {
	l, address := listen(t, true)
	dial(t, address, header(t, 2, "4", local))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if source, ok := l.Source(c); ok {
		t.Errorf("source %s", source)
	}
}

// A trusted proxy without a header, or with a bad one, is closed, and keeps nobody
// else waiting.
func TestTrustedWithoutHeader(t *testing.T) {
	l, address := listen(t, true)
	silent := dial(t, address, "")
	bad := dial(t, address, "GET / HTTP/1.1\r\n")
	if n, err := bad.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("read %d, %v", n, err)
	}
	if l.Refused.Load() != 1 {
		t.Errorf("%d are counted", l.Refused.Load())
	}
	dial(t, address, header(t, 1, "6", nil))
	c, err := l.Named().Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := c.RemoteAddr().String(); got != "[2001:db8::7]:4711" {
		t.Errorf("remote address %s", got)
	}
	_ = l.Close()
	if n, err := silent.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("read %d, %v", n, err)
	}
}

// Nobody else's header is believed: it is left to whoever reads the connection.
func TestUntrusted(t *testing.T) {
	l, address := listen(t, false)
	text := header(t, 1, "4", nil)
	dial(t, address, text)
	c, err := l.Named().Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if host, _, _ := net.SplitHostPort(c.RemoteAddr().String()); host != "127.0.0.1" {
		t.Errorf("remote address %s", c.RemoteAddr())
	}
	b := make([]byte, len(text))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != text {
		t.Errorf("%q, %v", b, err)
	}
}

// A proxy on a Unix socket that is trusted sends a header too, and is closed without one.
func TestUnixSocket(t *testing.T) {
	inner, err := net.Listen("unix", filepath.Join(t.TempDir(), "p.sock"))
	if err != nil {
		t.Fatal(err)
	}
	l := New(inner, func(a netip.Addr) bool { return !a.IsValid() }, nil)
	t.Cleanup(func() { _ = l.Close() })
	for _, text := range []string{"GET / HTTP/1.1\r\n", header(t, 2, "4", nil)} {
		c, err := net.Dial("unix", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if source, ok := l.Source(c); !ok || source.String() != "203.0.113.7:4711" {
		t.Errorf("source %s", source)
	}
}

// Close closes what was not handed out, and ends Accept.
func TestClose(t *testing.T) {
	l, address := listen(t, false)
	c := dial(t, address, "")
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err == nil {
		t.Error("closed twice")
	}
	if _, err := l.Accept(); err != net.ErrClosed {
		t.Errorf("%v", err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("read %d, %v", n, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(header(f, 1, "4", nil)))
	f.Add([]byte(header(f, 2, "6", long)))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := bytes.NewReader(text)
		if source, err := read(r); err == nil && source.IsValid() && source.Addr().Zone() != "" {
			t.Errorf("%q gave %s", text, source)
		}
		if used := len(text) - r.Len(); used > fixedBytes+maxLength {
			t.Errorf("%d bytes were read", used)
		}
	})
}
