// Package fault tests the built daemon under faults: of its clients, of the
// network, of the machine. In each a pair of bystanders goes on exchanging messages
// and must notice nothing.
package fault

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

func TestMain(m *testing.M) { parleyd.Main(m) }

// client is a WebSocket client, over a TCP connection that tests can mistreat.
type client struct {
	conn *websocket.Conn
	tcp  *net.TCPConn
	id   string
}

// dial connects to the daemon, or to something in front of it.
func dial(address string) (*client, error) { return dialWith(address, 0) }

// dialWith is dial with a receive buffer of this size.
func dialWith(address string, buffer int) (*client, error) {
	c := new(client)
	return c, c.open("ws://"+address+"/ws", transportOf(c, buffer))
}

// dialTLS is dial over TLS.
func dialTLS(address string, config *tls.Config) (*client, error) {
	c := new(client)
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	return c, c.open("wss://"+address+"/ws", &http.Client{Transport: transport})
}

func (c *client) open(url string, through *http.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), parleyd.Patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: through})
	if err != nil {
		return err
	}
	conn.SetReadLimit(-1)
	c.conn = conn
	return nil
}

func (c *client) send(text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), parleyd.Patience)
	defer cancel()
	return c.conn.Write(ctx, websocket.MessageText, []byte(text))
}

// message is what the daemon sends.
type message struct {
	Type, From, Code, Session string
	Missed                    int
	Members                   []string
	Data                      json.RawMessage
}

func (c *client) next() (message, error) {
	ctx, cancel := context.WithTimeout(context.Background(), parleyd.Patience)
	defer cancel()
	var m message
	_, text, err := c.conn.Read(ctx)
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	return m, err
}

// join enters a room and waits for so many members to be there.
func (c *client) join(room, id string, members int) error {
	c.id = id
	if err := c.send(fmt.Sprintf(`{"type":"join","room":%q,"from":%q}`, room, id)); err != nil {
		return err
	}
	return c.sees(members)
}

func (c *client) sees(members int) error {
	for {
		m, err := c.next()
		if err != nil {
			return err
		}
		if m.Type == "error" {
			return fmt.Errorf("%s: %s", c.id, m.Code)
		}
		if m.Type == "room_members" && len(m.Members) == members {
			return nil
		}
	}
}

// mustJoin is dial and join.
func mustJoin(t *testing.T, d *parleyd.Daemon, room, id string, members int) *client {
	t.Helper()
	return mustJoinWith(t, d, room, id, members, 0)
}

func mustJoinWith(t *testing.T, d *parleyd.Daemon, room, id string, members, buffer int) *client {
	t.Helper()
	c, err := dialWith(d.Address, buffer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.conn.CloseNow() })
	if err := c.join(room, id, members); err != nil {
		t.Fatal(err)
	}
	return c
}

// bystanders are two members who send each other numbered messages all the time.
type bystanders struct {
	t       *testing.T
	stop    chan struct{}
	running sync.WaitGroup
	rounds  int
	slowest time.Duration
}

// watch starts a pair of bystanders, in a room of their own. The daemon must allow
// more than 200 messages a second of one connection.
func watch(t *testing.T, d *parleyd.Daemon) *bystanders {
	t.Helper()
	a := mustJoin(t, d, "bystanders", "a", 1)
	b := mustJoin(t, d, "bystanders", "b", 2)
	if err := a.sees(2); err != nil {
		t.Fatal(err)
	}
	w := &bystanders{t: t, stop: make(chan struct{})}
	w.running.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-w.stop:
				return
			default:
			}
			start := time.Now()
			for _, way := range [][2]*client{{a, b}, {b, a}} {
				if err := way[0].send(fmt.Sprintf(`{"type":"message","to":%q,"data":%d}`, way[1].id, n)); err != nil {
					t.Errorf("bystander %s could not send message %d: %v", way[0].id, n, err)
					return
				}
				m, err := way[1].next()
				if err != nil || m.Type != "message" || string(m.Data) != strconv.Itoa(n) {
					t.Errorf("bystander %s got %+v %v, want message %d", way[1].id, m, err, n)
					return
				}
			}
			w.rounds++
			w.slowest = max(w.slowest, time.Since(start))
		}
	})
	return w
}

// end checks that the bystanders have gone on to the end, and logs how slow it ever
// was for them.
func (w *bystanders) end() {
	w.t.Helper()
	close(w.stop)
	w.running.Wait()
	if w.rounds == 0 {
		w.t.Error("the bystanders exchanged nothing")
	}
	w.t.Logf("bystanders: %d round trips, the slowest took %s", w.rounds, w.slowest)
}

// gauge reads a metric of the daemon.
func gauge(t *testing.T, d *parleyd.Daemon, name string) float64 {
	t.Helper()
	_, body := parleyd.Get(t, d.Admin, "/metrics")
	_, rest, found := strings.Cut(body, "\n"+name+" ")
	value, _, _ := strings.Cut(rest, "\n")
	v, err := strconv.ParseFloat(value, 64)
	if !found || err != nil {
		t.Fatalf("no metric %s", name)
	}
	return v
}

// settles waits until a metric is at most a value.
func settles(t *testing.T, d *parleyd.Daemon, name string, most float64) {
	t.Helper()
	deadline := time.Now().Add(2 * parleyd.Patience)
	for v := gauge(t, d, name); v > most; v = gauge(t, d, name) {
		if time.Now().After(deadline) {
			t.Fatalf("%s stays at %v, want %v at most", name, v, most)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// cameBack checks that nothing stays of what is over: connections, members, bytes
// that wait, and goroutines but for a few.
func cameBack(t *testing.T, d *parleyd.Daemon, connections int, goroutines float64) {
	t.Helper()
	settles(t, d, "parley_connections", float64(connections))
	settles(t, d, "parley_members", float64(connections))
	settles(t, d, "parley_outbox_bytes", 4096)
	settles(t, d, "go_goroutines", goroutines+10)
}
