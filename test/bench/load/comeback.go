package load

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// together is how many clients of a ComeBack connect at one time.
const together = 256

// ComeBack has n clients connect and join rooms of two, as fast as the server lets them
// in, and returns the time until the last one is in. Its clients hold on to nothing:
// they are gone when it returns. config has the session tickets of an earlier call, if
// it has a cache.
func ComeBack(d Dialect, address string, config *tls.Config, n int) (time.Duration, error) {
	var wg sync.WaitGroup
	var once sync.Once
	var failed error
	conns := make([]net.Conn, n)
	turns := make(chan struct{}, together)
	start := time.Now()
	for i := range n {
		turns <- struct{}{}
		wg.Go(func() {
			conn, err := comeBack(d, address, config, i)
			if err != nil {
				once.Do(func() { failed = fmt.Errorf("client %d: %w", i, err) })
			}
			conns[i] = conn
			<-turns
		})
	}
	wg.Wait()
	took := time.Since(start)
	for _, conn := range conns {
		if conn != nil {
			_ = conn.Close()
		}
	}
	return took, failed
}

func comeBack(d Dialect, address string, config *tls.Config, i int) (net.Conn, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	if config != nil {
		conn = tls.Client(conn, config)
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	id := fmt.Sprintf("m%05d", i)
	if _, err := fmt.Fprintf(conn, handshake, d.Path(id)); err != nil {
		return conn, err
	}
	r := bufio.NewReaderSize(conn, 1024)
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		return conn, err
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return conn, fmt.Errorf("handshake: %s", answer.Status)
	}
	if _, err := conn.Write(Text(d.Join(fmt.Sprintf("room%d", i/2), id))); err != nil {
		return conn, err
	}
	var header [2]byte // of the first message, which is short
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return conn, err
	}
	first, err := r.Peek(len(`{"type":"joined"`))
	if err != nil || !strings.Contains(string(first), `"joined"`) {
		return conn, fmt.Errorf("joining: %w (%q)", err, first)
	}
	return conn, nil
}
