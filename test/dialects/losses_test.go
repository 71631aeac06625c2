package dialects

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// burst is what one client sends another that reads late.
type burst struct {
	paths [2]string // of both clients
	enter [2]string // what each sends first
	marks [2]string // likewise, what comes back
	said  string    // a message for the other, with a place for its content
}

// The size of a burst is more than the sockets between a server and a client hold.
const (
	burstMessages = 200
	burstContent  = 40_000
)

// lateReader dials a client whose system takes little that it does not read.
func lateReader(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	dialer := &net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 64<<10) })
	}}
	client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}}
	ctx, cancel := context.WithTimeout(t.Context(), parleyd.Patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(-1)
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

// arrives plays a burst to a server, ends the server once it has handled all, and counts the
// messages that the other gets.
func (b *burst) arrives(t *testing.T, url string, end func()) (n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*parleyd.Patience)
	defer cancel()
	one, other := lateReader(t, url+b.paths[0]), lateReader(t, url+b.paths[1])
	say := func(c *websocket.Conn, text string) {
		t.Helper()
		if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	until := func(c *websocket.Conn, part string) {
		t.Helper()
		for {
			_, text, err := c.Read(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), part) {
				return
			}
		}
	}
	for i, c := range []*websocket.Conn{one, other} {
		say(c, b.enter[i])
		say(c, b.marks[i])
		until(c, "mark")
	}
	handled := make(chan struct{})
	go func() { // it may hear what it says, too
		defer close(handled)
		until(one, "mark")
	}()
	for range burstMessages {
		say(one, fmt.Sprintf(b.said, strings.Repeat("x", burstContent)))
	}
	say(one, b.marks[0])
	<-handled
	end()
	for {
		_, text, err := other.Read(ctx)
		if ctx.Err() != nil {
			t.Fatal("the server goes on")
		}
		if err != nil {
			return n
		}
		if strings.Contains(string(text), strings.Repeat("x", burstContent)) {
			n++
		}
	}
}

// What a server has taken arrives, also if it is told to end: parleyd has it written before. The
// others end at once or are killed, and what waited for a client that reads late is lost.
func TestAnEndingServerLosesNothing(t *testing.T) {
	query := func(id string) string { return "/peerjs" + place{}.query(id, id) }
	both := func(text string) [2]string { return [2]string{text, text} }
	trackers, _ := trackerMark()
	for name, test := range map[string]struct {
		burst
		flag, path string
		original   func(t *testing.T) (url string, cmd *exec.Cmd)
	}{
		"y-webrtc": {
			burst: burst{
				enter: [2]string{`{"type":"subscribe","topics":["doc","mark one"]}`, `{"type":"subscribe","topics":["doc","mark other"]}`},
				marks: [2]string{`{"type":"publish","topic":"mark one"}`, `{"type":"publish","topic":"mark other"}`},
				said:  `{"type":"publish","topic":"doc","data":"%s"}`,
			},
			flag: "--y-webrtc", path: "/y", original: startYServer,
		},
		"peerjs": {
			burst: burst{
				paths: [2]string{query("a"), query("b")}, enter: both(`{"type":"HEARTBEAT"}`),
				marks: [2]string{`{"type":"ANSWER","dst":"a","payload":"mark"}`, `{"type":"ANSWER","dst":"b","payload":"mark"}`},
				said:  `{"type":"OFFER","dst":"b","payload":"%s"}`,
			},
			flag: "--peerjs", path: "/", original: func(t *testing.T) (string, *exec.Cmd) {
				address, cmd := startPeerServer(t)
				return "ws://" + address, cmd
			},
		},
		"webtorrent": {
			burst: burst{
				enter: [2]string{says(swarmB, peerA, ""), says(swarmB, peerB, "")}, marks: both(trackers),
				said: says(swarmB, peerA, `,"to_peer_id":"`+peerB+`","answer":"%s"`),
			},
			flag: "--webtorrent", path: "/tracker", original: startTracker,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := parleyd.Start(t, test.flag, test.path, "--rate", "0", "--rate-bytes", "0", "--queue-bytes", "67108864", "--drain-timeout", "60s")
			url := "ws://" + d.Address
			if test.path != "/" {
				url += test.path
			}
			if n := test.arrives(t, url, func() { d.Signal(syscall.SIGTERM) }); n != burstMessages {
				t.Errorf("%d of %d messages arrive over parleyd", n, burstMessages)
			}
			original, cmd := test.original(t)
			kill := func() { // PeerServer waits for its clients, for as long as they like, until it is killed
				_ = cmd.Process.Signal(syscall.SIGTERM)
				_ = cmd.Process.Kill()
			}
			if n := test.arrives(t, original, kill); n == burstMessages {
				t.Error("the other server loses nothing any more")
			} else {
				t.Logf("the other server loses %d of %d messages", burstMessages-n, burstMessages)
			}
		})
	}
}

// Offers go to peers that are there. The tracker keeps a peer that shared a connection with another
// for up to 20 minutes after that has ended, and offers to it are lost.
func TestNoOfferGoesToAPeerThatHasGone(t *testing.T) {
	d := parleyd.Start(t, "--webtorrent", "/tracker", "--rate", "0")
	const offers = 40
	arrive := func(url string) (n int) {
		s := open(t, url, 3, trackerMark)
		s.play(step{from: 0, text: says(swarmB, peerA, "")})
		s.play(step{from: 0, text: says(swarmB, peerB, "")}) // two programs of one page
		s.play(step{from: 1, text: says(swarmB, peerC, "")})
		_ = s.conns[0].Close(websocket.StatusNormalClosure, "")
		s.conns = s.conns[1:]
		counted := func() string {
			var into []string
			s.write(1, `{"action":"scrape","info_hash":"`+swarmB+`"}`)
			s.settle(1, &into)
			return into[0]
		}
		for deadline := time.Now().Add(parleyd.Patience); strings.Contains(counted(), `"incomplete":3`); {
			if time.Now().After(deadline) {
				t.Fatal("nobody has gone")
			}
		}
		for range offers {
			heard := s.play(step{from: 1, text: says(swarmB, "dddddddddddddddddddd", `,"offers":[{"offer":{},"offer_id":"o"}]`)})
			n += len(heard[0])
		}
		return n
	}
	if n := arrive("ws://" + d.Address + "/tracker"); n != offers {
		t.Errorf("%d of %d offers arrive over parleyd", n, offers)
	}
	if n := arrive(tracker(t)); n == offers {
		t.Error("the tracker loses nothing any more")
	} else {
		t.Logf("the tracker loses %d of %d offers", offers-n, offers)
	}
}

// A client that does not read keeps nobody in another room waiting. In Ayame it stops all rooms;
// as no registry has that server, this is seen with its binary in AYAME_SERVER only.
func TestAClientThatDoesNotReadStopsNoOtherRoom(t *testing.T) {
	goesOn := func(url string, within time.Duration) bool {
		a := &ayameAt{t: t, url: url, suffix: "-stalled"}
		enter := func() *websocket.Conn {
			c := lateReader(t, url)
			if err := c.Write(t.Context(), websocket.MessageText, []byte(enterR)); err != nil {
				t.Fatal(err)
			}
			return c
		}
		one, _ := enter(), enter()
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		text := []byte(`{"type":"candidate","ice":"` + strings.Repeat("x", burstContent) + `"}`)
		for range 10 * burstMessages { // until the server takes no more
			if one.Write(ctx, websocket.MessageText, text) != nil {
				break
			}
		}
		other := a.dial()
		other.send(enterR)
		ctx, cancel = context.WithTimeout(t.Context(), within)
		defer cancel()
		_, _, err := other.conn.Read(ctx)
		return err == nil
	}
	d := parleyd.Start(t, "--ayame", "/signaling", "--rate", "0", "--rate-bytes", "0")
	if !goesOn("ws://"+d.Address+"/signaling", parleyd.Patience) {
		t.Error("another room waits")
	}
	if binary := os.Getenv("AYAME_SERVER"); binary != "" && goesOn(ayameServer(t, binary, "", ""), 5*time.Second) {
		t.Error("Ayame goes on")
	}
}
