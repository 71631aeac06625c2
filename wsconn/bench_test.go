package wsconn

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub"
)

// BenchmarkRelay is a message's whole way through sockets of this machine: from
// one client through the server to another, with more and more under way.
func BenchmarkRelay(b *testing.B) {
	for _, underWay := range []int{1, 16} {
		b.Run(fmt.Sprintf("underway=%d", underWay), func(b *testing.B) {
			s := newServer(b, func(o *Options, _ *hub.Options) { o.Rate, o.RateBytes = -1, -1 })
			from, to := s.dialRaw(""), s.dialRaw("")
			from.write(masked(0x81, `{"type":"join","room":"r","from":"a"}`))
			to.write(masked(0x81, `{"type":"join","room":"r","from":"b"}`))
			for {
				if _, p, err := to.frame(); err != nil || strings.Contains(p, `["a","b"]`) {
					break
				}
			}
			go func() { // what a is told does not matter
				for {
					if _, _, err := from.frame(); err != nil {
						return
					}
				}
			}()
			_ = to.conn.SetDeadline(time.Time{})
			_ = from.conn.SetDeadline(time.Time{})
			message := masked(0x81, `{"type":"candidate","to":"b","candidate":"`+strings.Repeat("x", 250)+`"}`)
			burst := strings.Repeat(message, underWay)
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += underWay {
				from.write(burst)
				for range underWay {
					if _, p, err := to.frame(); err != nil || p == "" {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// BenchmarkReader is the reading of frames alone.
func BenchmarkReader(b *testing.B) {
	for _, n := range []int{300, 1500, 60000} {
		b.Run(fmt.Sprintf("bytes=%d", n), func(b *testing.B) {
			frame := []byte(masked(0x81, strings.Repeat("x", n)))
			var r reader
			r.init(&endless{frame: frame}, nil, 64<<10, &new(Handler).Stats.BytesIn)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := r.next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// endless is a connection that the same frame comes from again and again.
type endless struct {
	idleConn

	frame []byte
	at    int
}

func (e *endless) Read(b []byte) (int, error) {
	n := copy(b, e.frame[e.at:])
	e.at = (e.at + n) % len(e.frame)
	return n, nil
}
