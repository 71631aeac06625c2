package dialects

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/test/internal/npm"
	"github.com/parley-rtc/parley/test/internal/parleyd"
	"github.com/parley-rtc/parley/test/internal/process"
)

// peerServer runs PeerServer and returns its address.
func peerServer(t *testing.T, args ...string) (address string) {
	t.Helper()
	address, _ = startPeerServer(t, args...)
	return address
}

func startPeerServer(t *testing.T, args ...string) (address string, cmd *exec.Cmd) {
	t.Helper()
	port := process.FreePort(t)
	bin := filepath.Join(npm.Install(t, "--ignore-scripts", "peer@1.0.2"), "node_modules", "peer", "dist", "bin", "peerjs.js")
	cmd = exec.Command("node", append([]string{bin, "--host", "127.0.0.1", "--port", port}, args...)...)
	process.Start(t, cmd)
	process.AwaitTCP(t, "127.0.0.1:"+port)
	return "127.0.0.1:" + port, cmd
}

// place is a server where an exchange is played. Ids have a suffix of the exchange there, so
// that none meets those of another.
type place struct {
	t               *testing.T
	address, suffix string
}

// peer is a WebSocket to a PeerServer.
type peer struct {
	place
	conn *websocket.Conn
}

// there gives the ids a and b their suffix, and here takes it away.
func (p place) there(text string) string {
	return strings.NewReplacer(`"a"`, `"a`+p.suffix+`"`, `"b"`, `"b`+p.suffix+`"`).Replace(text)
}

func (p place) here(text string) string { return strings.ReplaceAll(text, p.suffix+`"`, `"`) }

// dial opens a WebSocket with this query.
func (p place) dial(query string) *peer {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), parleyd.Patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws://"+p.address+"/peerjs"+query, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = c.CloseNow() })
	return &peer{p, c}
}

func (p *peer) send(text string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), parleyd.Patience)
	defer cancel()
	if err := p.conn.Write(ctx, websocket.MessageText, []byte(p.there(text))); err != nil {
		p.t.Fatal(err)
	}
}

// read returns the next message in one form, or the end of the connection.
func (p *peer) read() string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), parleyd.Patience)
	defer cancel()
	_, text, err := p.conn.Read(ctx)
	switch {
	case ctx.Err() != nil:
		p.t.Fatal("nothing comes")
	case err != nil:
		return fmt.Sprint("end ", int(websocket.CloseStatus(err)))
	}
	return p.here(canonical(p.t, string(text)))
}

// exchange is what peers do at a server, and what they hear.
type exchange struct {
	name string
	play func(p place) []string
	// ours is what peers hear of parleyd where it differs from PeerServer, and why.
	ours []string
	why  string
}

// query is that of a peer with the key peerjs.
func (p place) query(id, token string) string {
	return "?" + url.Values{"key": {"peerjs"}, "id": {id + p.suffix}, "token": {token}, "version": {"1.5.5"}}.Encode()
}

// enter opens a peer that is let in.
func (p place) enter(id, token string) *peer {
	p.t.Helper()
	c := p.dial(p.query(id, token))
	if got := c.read(); got != `{"type":"OPEN"}` {
		p.t.Fatal(got)
	}
	return c
}

// refused plays what a client without a right to come in hears.
func refused(query string) func(place) []string {
	return func(p place) []string {
		c := p.dial(query)
		return []string{c.read(), c.read()}
	}
}

// relayed plays one message from a to b, with another behind it so that the first is seen to
// be missing.
func relayed(text string) func(place) []string {
	return func(p place) (all []string) {
		a, b := p.enter("a", "1"), p.enter("b", "2")
		a.send(text)
		a.send(`{"type":"ANSWER","dst":"b","payload":"end"}`)
		for !slices.ContainsFunc(all, func(text string) bool { return strings.Contains(text, `"end"`) }) {
			all = append(all, b.read())
		}
		return all
	}
}

func exchanges() []exchange {
	const difference = "a close frame has a code here"
	all := []exchange{
		{name: "no query", play: refused("")},
		{name: "no id", play: refused("?key=peerjs&token=1")},
		{name: "no token", play: refused("?key=peerjs&id=a")},
		{name: "another key", play: refused("?key=other&id=a&token=1")},
		{name: "twice an id", play: refused("?key=peerjs&id=a&id=&token=1")},
	}
	for i := range all {
		all[i].why = difference
		all[i].ours = []string{`{"payload":{"msg":"No id, token, or key supplied to websocket server"},"type":"ERROR"}`, "end 1000"}
	}
	all[3].ours[0] = `{"payload":{"msg":"Invalid key provided"},"type":"ERROR"}`
	for _, text := range []string{
		`{"type":"OFFER","dst":"b","payload":{"sdp":{"type":"offer","sdp":"v=0\r\n"},"type":"media","connectionId":"mc_1","metadata":{"é":"\u00e9"}}}`,
		`{"type":"ANSWER","dst":"b","payload":{"n":[1,2.5,null,true]}}`,
		`{"type":"CANDIDATE","dst":"b","payload":{"candidate":{"candidate":"c","sdpMid":"0"}}}`,
		`{"type":"OFFER","dst":"b","src":"forged","payload":1}`,
		`{"type":"OFFER","dst":"b"}`,
		`{"type":"OFFER","dst":"b","payload":null}`,
		`{"type":"OFFER","dst":"b","payload":1,"further":2}`,
		`{"type":"OFFER","dst":"x","dst":"b","payload":1}`,
		`{"type":"LEAVE","dst":"b"}`,
		`{"type":"EXPIRE","dst":"b"}`,
		`{"type":"HEARTBEAT"}`,
		`{"type":"HEARTBEAT","dst":"b"}`,
		`{"type":"OPEN","dst":"b"}`,
		`{"type":"ERROR","dst":"b","payload":{"msg":"x"}}`,
		`{"type":"offer","dst":"b","payload":1}`,
		`{"type":"OFFER","payload":1}`,
		`{"type":"OFFER","dst":"","payload":1}`,
		`{"type":"OFFER","dst":7,"payload":1}`,
		`{"type":7,"dst":"b"}`,
		`{"type":"LEAVE","dst":"nobody"}`,
		`[]`, `{}`,
	} {
		all = append(all, exchange{name: "message " + text, play: relayed(text)})
	}
	return append(all, exchanging()...)
}

// exchanging are the exchanges in which more happens than one message.
func exchanging() []exchange {
	return []exchange{
		{name: "to itself", play: func(p place) []string {
			a := p.enter("a", "1")
			a.send(`{"type":"OFFER","dst":"a","payload":1}`)
			return []string{a.read()}
		}},
		{name: "a taken id", play: func(p place) []string {
			p.enter("a", "1")
			return []string{p.dial(p.query("a", "2")).read()}
		}},
		{name: "messages that wait", play: func(p place) []string {
			a := p.enter("a", "1")
			for i := range 5 {
				a.send(fmt.Sprintf(`{"type":"CANDIDATE","dst":"b","payload":%d}`, i))
			}
			a.send(`{"type":"OFFER","dst":"a","payload":1}`)
			all := []string{a.read()} // the server has them
			b := p.dial(p.query("b", "2"))
			for range 6 {
				all = append(all, b.read())
			}
			return all
		}},
		{name: "messages that expire", play: func(p place) []string {
			a := p.enter("a", "1")
			a.send(`{"type":"OFFER","dst":"b","payload":1}`)
			a.send(`{"type":"CANDIDATE","dst":"b","payload":2}`)
			return []string{a.read()}
		}},
		{
			name: "the same token, while the first connection is open", play: func(p place) []string {
				p.enter("a", "1")
				again := p.dial(p.query("a", "1"))
				again.send(`{"type":"OFFER","dst":"a","payload":1}`)
				return []string{again.read()}
			},
			ours: []string{`{"type":"OPEN"}`},
			why:  "a client that comes again is told that it is in: PeerJS waits for that",
		},
		{
			name: "an offer that is taken back before the other comes", play: func(p place) []string {
				a := p.enter("a", "1")
				a.send(`{"type":"OFFER","dst":"b","payload":1}`)
				a.send(`{"type":"LEAVE","dst":"b"}`)
				a.send(`{"type":"OFFER","dst":"a","payload":1}`)
				all := []string{a.read()}
				b := p.dial(p.query("b", "2"))
				all = append(all, b.read(), b.read())
				a.send(`{"type":"ANSWER","dst":"b","payload":"end"}`)
				return append(all, b.read())
			},
			ours: []string{
				`{"dst":"a","payload":1,"src":"a","type":"OFFER"}`, `{"type":"OPEN"}`, `{"dst":"b","payload":1,"src":"a","type":"OFFER"}`,
				`{"dst":"b","src":"a","type":"LEAVE"}`,
			},
			why: "PeerServer loses the LEAVE, so b goes on with a call that is over",
		},
	}
}

// PeerServer and parleyd answer alike, but where it is listed.
func TestPeerJSBesideItsServer(t *testing.T) {
	original := peerServer(t)
	d := parleyd.Start(t, "--peerjs", "/", "--peerjs-key", "peerjs")
	for i, e := range exchanges() {
		t.Run(e.name, func(t *testing.T) {
			suffix := fmt.Sprint("-", i)
			want, got := e.play(place{t, original, suffix}), e.play(place{t, d.Address, suffix})
			switch same := slices.Equal(want, got); {
			case e.why == "" && !same:
				t.Errorf("PeerServer says %s\nparleyd says    %s", want, got)
			case e.why != "" && same:
				t.Errorf("there is no difference any more: %s", got)
			case e.why != "" && !slices.Equal(got, e.ours):
				t.Errorf("listed is    %s\nparleyd says %s", e.ours, got)
			}
		})
	}
}

// PeerServer hears nothing more of a client once it has sent what is no JSON, or no object:
// its messages are lost. Here they are ignored, and the next one counts.
func TestWhatDeafensPeerServer(t *testing.T) {
	original := peerServer(t)
	d := parleyd.Start(t, "--peerjs", "/")
	for i, text := range []string{`{`, `7`, `"OFFER"`, `null`, ``} {
		t.Run(text, func(t *testing.T) {
			suffix := fmt.Sprint("-", i)
			if got := relayed(text)(place{t, d.Address, suffix}); len(got) != 1 {
				t.Errorf("parleyd says %s", got)
			}
			p := place{t, original, suffix}
			a, b := p.enter("a", "1"), p.enter("b", "2")
			a.send(text)
			a.send(`{"type":"OFFER","dst":"b","payload":1}`)
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			if _, got, err := b.conn.Read(ctx); err == nil {
				t.Errorf("PeerServer is not deaf any more: %s", got)
			}
		})
	}
}

// Both servers answer PeerJS's HTTP requests in the same form.
func TestPeerJSAPIBesideItsServer(t *testing.T) {
	for _, discovery := range []bool{false, true} {
		var theirs, ours []string
		if discovery {
			theirs, ours = []string{"--allow_discovery"}, []string{"--peerjs-discovery"}
		}
		d := parleyd.Start(t, append([]string{"--peerjs", "/", "--allow-origin", "*"}, ours...)...)
		var said []string
		for _, address := range []string{peerServer(t, theirs...), d.Address} {
			p := place{t, address, ""}
			p.enter("a", "1")
			text := ""
			for _, path := range []string{"/peerjs/id", "/peerjs/peers"} {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Origin", "https://app.example.org")
				a, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(a.Body)
				_ = a.Body.Close()
				answer := strings.TrimSpace(string(body))
				if path == "/peerjs/id" {
					answer = regexp.MustCompile("[0-9a-f]").ReplaceAllString(answer, "x")
				}
				text += fmt.Sprintln(path, a.StatusCode, a.Header.Get("Access-Control-Allow-Origin"), a.Header.Get("Content-Type"), answer)
			}
			said = append(said, text)
		}
		if said[0] != said[1] {
			t.Errorf("PeerServer says\n%sparleyd says\n%s", said[0], said[1])
		}
	}
}
