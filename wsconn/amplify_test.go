package wsconn

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/hub"
)

// amplifyTime is for how long one member does what it can.
const amplifyTime = 5 * time.Second

// BenchmarkAmplification is what one member makes the server send, with the default
// limits of the daemon, to a room of 100 with the longest ids and nicknames: the
// server's bytes for each of the member's, and its bytes a second. The member sends as
// fast as the server reads, for 5 s; so the bursts are in it.
//
//	go test ./wsconn -run '^$' -bench Amplification -benchtime 1x
func BenchmarkAmplification(b *testing.B) {
	for _, c := range []struct {
		name string
		text func(n int) string
	}{
		{"join, say, leave", func(n int) string {
			return []string{`{"type":"leave"}`, `{"type":"join","room":"r","from":"one"}`, `{"type":"message","data":1}`}[n%3]
		}},
		{"rename", func(n int) string { return fmt.Sprintf(`{"type":"rename","name":"n%d"}`, n) }},
		{"update", func(n int) string { return fmt.Sprintf(`{"type":"update","meta":%d}`, n) }},
		{"broadcast, small", func(int) string { return `{"type":"message","data":1}` }},
		{"broadcast, 16 KB", func(int) string {
			return `{"type":"message","data":"` + strings.Repeat("x", 16<<10) + `"}`
		}},
		{"errors", func(int) string { return `{}` }},
		{"pings", func(int) string { return `{"type":"ping"}` }},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				in, out := amplify(b, c.text)
				b.ReportMetric(out/in, "out/in")
				b.ReportMetric(out/amplifyTime.Seconds()/1e6, "MB/s")
			}
		})
	}
}

// amplify returns the bytes that one member sends and those that the server does.
func amplify(b *testing.B, text func(n int) string) (in, out float64) {
	b.Helper()
	s := newServer(b, func(_ *Options, o *hub.Options) { o.RateFanOut, o.BurstFanOut = 8<<20, 32<<20 })
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	dial := func() *websocket.Conn {
		conn, _, err := websocket.Dial(ctx, s.url, nil)
		if err != nil {
			b.Fatal(err)
		}
		conn.SetReadLimit(-1)
		go func() {
			for {
				if _, _, err := conn.Read(ctx); err != nil {
					return
				}
			}
		}()
		return conn
	}
	write := func(conn *websocket.Conn, text string) error {
		return conn.Write(ctx, websocket.MessageText, []byte(text))
	}
	for i := range 99 {
		if err := write(dial(), fmt.Sprintf(`{"type":"join","room":"r","from":"%064d","name":%q}`, i, strings.Repeat("n", 64))); err != nil {
			b.Fatal(err)
		}
	}
	one := dial()
	if err := write(one, `{"type":"join","room":"r","from":"one"}`); err != nil {
		b.Fatal(err)
	}
	time.Sleep(3 * time.Second) // the room has been told of all
	before, start := s.handler.Stats.BytesOut.Load(), time.Now()
	for n := 0; time.Since(start) < amplifyTime; n++ {
		t := text(n)
		if write(one, t) != nil {
			break // closed for what it does
		}
		in += float64(len(t) + 6)
		if n%64 == 63 {
			time.Sleep(10 * time.Millisecond)
		}
	}
	return in, float64(s.handler.Stats.BytesOut.Load() - before)
}
