package wsconn

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

// A socket that takes nothing at the moment is waited for: what was queued comes when
// its client reads on.
func TestFullSocket(t *testing.T) {
	if !nonblocking {
		t.Skip("sockets are written in another way on this system")
	}
	s := newServer(t, nil)
	client, theirs := socketPair(t, nil)
	if _, reason := s.handler.admit(netip.Addr{}); reason != "" {
		t.Fatal(reason)
	}
	c := s.handler.start(theirs, nil, netip.Addr{})
	if _, err := client.Write([]byte(masked(0x81, `{"type":"join","room":"r","from":"a"}`))); err != nil {
		t.Fatal(err)
	}
	idle := func() bool {
		w := &s.handler.writers
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.running == 0 && w.waiting == 0
	}
	wait := func(what string, is func() bool) {
		t.Helper()
		for deadline := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal(what)
			}
		}
	}
	wait("not joined", func() bool { return s.hub.Stats().Members.Load() == 1 && c.client.Unwritten() == 0 && idle() })
	junk := bytes.Repeat([]byte{0}, 64<<10)
	for full := 0; full < 20; full++ { // TCP moves bytes on for a moment
		_ = c.raw.Write(func(fd uintptr) bool {
			for {
				if _, err := tryWrite(fd, junk); err == syscall.EAGAIN {
					return true
				}
				full = 0
			}
		})
		time.Sleep(time.Millisecond)
	}
	if err := s.hub.Announce(t.Context(), "r", json.RawMessage(`"at last"`)); err != nil {
		t.Fatal(err)
	}
	wait("the message does not wait", func() bool { return c.client.Unwritten() > 0 && idle() })
	_ = client.SetReadDeadline(time.Now().Add(patience))
	var tail []byte
	for b := make([]byte, 64<<10); !bytes.Contains(tail, []byte(`"at last"`)); {
		n, err := client.Read(b)
		if err != nil {
			t.Fatalf("the message did not come: %v", err)
		}
		tail = append(tail[max(0, len(tail)-100):], b[:n]...)
	}
}
