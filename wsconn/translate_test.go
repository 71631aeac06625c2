package wsconn

import (
	"bufio"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// The connection's own frames, such as a ping, do not wait for its rooms; a close frame does.
func TestAPingComesBeforeWhatRoomsSay(t *testing.T) {
	h := newHub(t, hub.Options{})
	t.Cleanup(func() { _ = h.Close() })
	own := &conn{client: h.Connect(hub.Connection{QueueBytes: defaultQueueBytes, Writer: new(Membership)})}
	c := &Conn{c: own, writing: true}
	a, b := new(Membership), new(Membership)
	for _, m := range []*Membership{a, b, nil} {
		c.wake(m)
	}
	for _, want := range []*Membership{nil, a, b} {
		if m, ok := c.next(false); m != want || !ok {
			t.Errorf("got %p, want %p", m, want)
		}
	}
}

// talking dials a client of a dialect that reads from a pipe, which holds nothing.
func (s *piped) talking(d *DialectHandler) *raw {
	ours, theirs := net.Pipe()
	s.handler.startTalk(theirs, nil, netip.Addr{}, func(c *conn) *Conn { return d.talk(c, nil) })
	s.t.Cleanup(func() { _ = ours.Close() })
	return &raw{s.t, ours, bufio.NewReader(ours)}
}

// What waits for a membership comes before the connection's close frame, also if it is written in
// several parts of which the first are small.
func TestTheCloseFrameComesLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPiped(t, Options{JoinTimeout: -1, PingInterval: -1})
		d := s.handler.Speaking(words{})
		late, other := s.talking(d), s.talking(d)
		late.write(masked(0x81, "join r late"))
		late.want(0x81, "joined r")
		other.write(masked(0x81, "join r other"))
		other.want(0x81, "joined r")
		texts := []string{"written", strings.Repeat("s", 2000), strings.Repeat("l", 64_800)}
		for _, text := range texts {
			other.write(masked(0x81, "say r "+text))
			synctest.Wait()
		}
		ended := make(chan error)
		go func() { ended <- s.handler.Shutdown(t.Context()) }()
		synctest.Wait()
		for _, text := range texts {
			if _, got, err := late.frame(); !strings.Contains(got, text) {
				t.Errorf("got %d bytes, %.20q, not %d bytes: %v", len(got), got, len(text), err)
			}
		}
		late.wantClose(wire.CloseGoingAway)
		_, _ = late.conn.Close(), other.conn.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A client that reads a byte now and then is not dead, but it is not told either.
func TestAKickedMembershipEndsInTimeHoweverSlowlyItsClientReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPiped(t, Options{JoinTimeout: -1, PingInterval: -1})
		d := s.handler.Speaking(words{})
		slow, other := s.talking(d), s.talking(d)
		slow.write(masked(0x81, "join r slow"))
		slow.want(0x81, "joined r")
		other.write(masked(0x81, "join r other"))
		other.want(0x81, "joined r")
		other.write(masked(0x81, "say r a message that takes its time"))
		synctest.Wait()
		if err := s.hub.Kick(t.Context(), "r", "slow"); err != nil {
			t.Fatal(err)
		}
		for range int(closeTimeout / time.Second) {
			if _, err := slow.conn.Read(make([]byte, 1)); err != nil {
				t.Fatalf("it is not given the time that a close may take: %v", err)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(time.Nanosecond) // that instant is over
		synctest.Wait()
		if n, err := slow.conn.Read(make([]byte, 1)); err == nil {
			t.Errorf("it goes on after %s, with %d bytes", closeTimeout, n)
		}
		_ = other.conn.Close()
		if err := s.handler.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
