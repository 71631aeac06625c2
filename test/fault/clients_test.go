package fault

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// frameHead is the head of a client's frame of n bytes, with a mask of zeros.
func frameHead(n int) string {
	b := binary.BigEndian.AppendUint16([]byte{0x81, 0x80 | 126}, uint16(n))
	return string(append(b, 0, 0, 0, 0))
}

// Clients that vanish without FIN are found out by pings, and leave.
func TestVanish(t *testing.T) {
	d := parleyd.Start(t, "--rate", "0", "--rate-bytes", "0", "--rate-changes", "0", "--ping-interval", "1s", "--ping-timeout", "1s")
	w := watch(t, d)
	link := newLink(t, d.Address)
	stays := mustJoin(t, d, "r", "stays", 1)
	goroutines := gauge(t, d, "go_goroutines")
	for i := range 50 {
		c, err := dial(link.address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.conn.CloseNow()
		if err := c.join("r", fmt.Sprint("vanishes", i), i+2); err != nil {
			t.Fatal(err)
		}
	}
	link.swallow() // from now on nothing passes, and nobody says so
	if err := stays.sees(1); err != nil {
		t.Fatal(err)
	}
	d.Wait(t, "leave", "reason", "ping_timeout")
	cameBack(t, d, 3, goroutines)
	w.end()
}

// Connections that are reset in the middle of a frame, or half-closed, leave.
func TestReset(t *testing.T) {
	d := parleyd.Start(t, "--rate", "0", "--rate-bytes", "0", "--rate-changes", "0")
	w := watch(t, d)
	stays := mustJoin(t, d, "r", "stays", 1)
	goroutines := gauge(t, d, "go_goroutines")
	for i := range 30 {
		c := mustJoin(t, d, "r", fmt.Sprint("breaks", i), 2)
		if err := stays.sees(2); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c.tcp, frameHead(30000)[:2+i%7]+strings.Repeat(" ", i*100))
		if i%2 == 0 {
			_ = c.tcp.SetLinger(0)
			_ = c.tcp.Close()
		} else {
			_ = c.tcp.CloseWrite()
		}
		if err := stays.sees(1); err != nil {
			t.Fatal(err)
		}
	}
	cameBack(t, d, 3, goroutines)
	w.end()
}

// flood sends padded messages to a member until it is told that the member is gone,
// and returns how many were taken.
func flood(c *client, to string, padding int) (int, error) {
	text := fmt.Sprintf(`{"type":"message","to":%q,"data":%q}`, to, strings.Repeat("x", padding))
	gone := make(chan error, 1)
	go func() {
		for {
			m, err := c.next()
			if err != nil || m.Type == "error" && m.Code == "target_not_found" {
				gone <- err
				return
			}
		}
	}()
	for n := 0; ; n++ {
		select {
		case err := <-gone:
			return n, err
		default:
		}
		if err := c.send(text); err != nil {
			return n, err
		}
	}
}

// A sender at line speed to one victim that does not read: the victim is closed
// with 4003, the sender is told, and nobody else notices.
func TestLineSpeedToOneVictim(t *testing.T) {
	d := parleyd.Start(t, "--rate", "0", "--rate-bytes", "0", "--rate-changes", "0")
	w := watch(t, d)
	victim := mustJoinWith(t, d, "r", "victim", 1, smallBuffer)
	sender := mustJoin(t, d, "r", "sender", 2)
	if n, err := flood(sender, "victim", 30000); err != nil {
		t.Errorf("after %d messages: %v", n, err)
	}
	for {
		if _, err := victim.next(); err != nil {
			if code := websocket.CloseStatus(err); code != 4003 {
				t.Errorf("the victim was closed with %d: %v", code, err)
			}
			break
		}
	}
	w.end()
}

// A reader at 1 KB/s gets what it can take, and goes when that is not enough.
func TestTricklingReader(t *testing.T) {
	d := parleyd.Start(t, "--rate", "0", "--rate-bytes", "0", "--rate-changes", "0", "--queue-bytes", "131072", "--ping-interval", "0")
	w := watch(t, d)
	slow := mustJoinWith(t, d, "r", "slow", 1, smallBuffer)
	sender := mustJoin(t, d, "r", "sender", 2)
	stop := make(chan struct{})
	var trickling sync.WaitGroup
	trickling.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				_, _ = io.CopyN(io.Discard, slow.tcp, 100)
			}
		}
	})
	if n, err := flood(sender, "slow", 1000); err != nil {
		t.Errorf("after %d messages: %v", n, err)
	}
	d.Wait(t, "evicted", "id", "slow")
	close(stop)
	_ = slow.tcp.Close()
	trickling.Wait()
	w.end()
}

// A thousand readers that do not read, at once: all are closed, memory stays within
// their outboxes and comes back.
func TestThousandSlowReaders(t *testing.T) {
	const readers = 1000
	d := parleyd.Start(t, "--rate", "0", "--rate-bytes", "0", "--rate-changes", "0", "--queue-bytes", "131072", "--max-room-members", "0")
	w := watch(t, d)
	goroutines := gauge(t, d, "go_goroutines")
	slow := make([]*client, readers)
	for i := range slow {
		c, err := dialWith(d.Address, smallBuffer)
		if err != nil {
			t.Fatal(err)
		}
		slow[i] = c
		if err := c.send(fmt.Sprintf(`{"type":"join","room":"r","from":"slow%d"}`, i)); err != nil {
			t.Fatal(err)
		}
	}
	sender := mustJoin(t, d, "r", "sender", readers+1)
	go func() { // what the sender is told does not matter
		for {
			if _, err := sender.next(); err != nil {
				return
			}
		}
	}()
	text := fmt.Sprintf(`{"type":"message","data":%q}`, strings.Repeat("x", 10000))
	most := 0.0
	for gauge(t, d, "parley_members") > 3 {
		if err := sender.send(text); err != nil {
			t.Fatal(err)
		}
		most = max(most, gauge(t, d, "parley_outbox_bytes"))
	}
	t.Logf("at most %.0f MB waited for the thousand", most/1e6)
	if most > readers*140_000 {
		t.Errorf("%.0f bytes waited", most)
	}
	for _, c := range slow {
		_ = c.conn.CloseNow()
	}
	_ = sender.conn.CloseNow()
	cameBack(t, d, 2, goroutines)
	w.end()
}

// Churn: members come, exchange a message and go, some of them without a word, and
// in the end the memory is what it was.
func TestChurn(t *testing.T) {
	d := parleyd.Start(t, "--rate", "0", "--rate-bytes", "0", "--rate-changes", "0", "--resume-window", "200ms")
	w := watch(t, d)
	goroutines := gauge(t, d, "go_goroutines")
	churn := func(rounds int) {
		var workers sync.WaitGroup
		for worker := range 10 {
			workers.Go(func() {
				for n := range rounds {
					room := fmt.Sprintf("room%d-%d", worker, n)
					a, err := dial(d.Address)
					if err != nil {
						t.Error(err)
						return
					}
					b, err := dial(d.Address)
					if err != nil {
						t.Error(err)
						return
					}
					_ = a.send(fmt.Sprintf(`{"type":"join","room":%q,"from":"a","resumable":%v}`, room, n%2 == 0))
					if err := b.join(room, "b", 2); err != nil {
						t.Error(err)
					}
					_ = b.send(`{"type":"message","to":"a","data":1}`)
					switch n % 3 {
					case 0:
						_ = a.tcp.SetLinger(0)
						_ = a.conn.CloseNow()
						_ = b.conn.Close(websocket.StatusNormalClosure, "")
					default:
						_ = b.send(`{"type":"leave"}`)
						_ = b.conn.CloseNow()
						_ = a.conn.CloseNow()
					}
				}
			})
		}
		workers.Wait()
	}
	churn(30)
	cameBack(t, d, 2, goroutines)
	before := gauge(t, d, "go_memstats_heap_inuse_bytes")
	churn(300)
	cameBack(t, d, 2, goroutines)
	after := gauge(t, d, "go_memstats_heap_inuse_bytes")
	t.Logf("heap in use: %.1f MB after 600 members, %.1f MB after 6,600", before/1e6, after/1e6)
	if after > before+20e6 {
		t.Errorf("the heap grew from %.0f to %.0f bytes", before, after)
	}
	w.end()
}
