package daemon

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// Handshakes that don't get on are ended within 10 s, and keep nobody out.
func TestSlowHandshakes(t *testing.T) {
	d := parleyd.Start(t, "--max-connections", "10")
	start := time.Now()
	var slow []net.Conn
	for i := range 200 {
		conn, err := net.Dial("tcp", d.Address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if i%2 == 0 { // the others say nothing at all
			_, _ = io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n")
		}
		slow = append(slow, conn)
	}
	connect(t, d).join("r", "a")
	for _, conn := range slow {
		_ = conn.SetReadDeadline(start.Add(parleyd.Patience))
		if _, err := io.Copy(io.Discard, conn); err != nil && os.IsTimeout(err) {
			t.Fatalf("still open after %s", parleyd.Patience)
		}
	}
	connect(t, d).join("r", "b")
}

// A server without a descriptor left refuses new connections, says so, and hurts
// nobody who is in.
func TestNoDescriptorLeft(t *testing.T) {
	d := parleyd.StartWithin(t, "-n 64")
	if line := d.Wait(t, "start"); line["open_files"] != 64.0 {
		t.Errorf("open_files is %v", line["open_files"])
	}
	a, b := connect(t, d), connect(t, d)
	a.join("r", "a")
	b.join("r", "b")
	refused := 0
	var crowd []net.Conn
	for range 200 {
		conn, err := net.Dial("tcp", d.Address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		crowd = append(crowd, conn)
	}
	for _, conn := range crowd { // those that were refused end at once
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if _, err := conn.Read(make([]byte, 1)); err != nil && !os.IsTimeout(err) {
			refused++
		}
	}
	if refused < 100 {
		t.Errorf("%d of 200 connections were refused", refused)
	}
	d.Wait(t, "no descriptor left")
	a.send(`{"type":"offer","to":"b","sdp":1}`)
	b.until(func(m message) bool { return m.Type == "offer" })
	for _, conn := range crowd {
		_ = conn.Close()
	}
	for { // as soon as the server has noticed, there is place again
		conn, _, err := websocket.Dial(t.Context(), "ws://"+d.Address+"/ws", nil)
		if err == nil {
			_ = conn.CloseNow()
			return
		}
	}
}

// A client that does not read is closed with 4003; the others lose nothing by it.
func TestSlowConsumer(t *testing.T) {
	d := parleyd.Start(t, "--rate", "0", "--rate-bytes", "0", "--rate-changes", "0", "--queue-bytes", "131072")
	a, b, slow := connect(t, d), connect(t, d), connect(t, d)
	a.join("r", "a")
	b.join("r", "b")
	slow.join("r", "slow")
	a.sees("slow")
	b.sees("slow")
	padding := strings.Repeat("x", 30000)
	evicted := make(chan struct{})
	go func() { // reads what a is told, until slow is gone
		defer close(evicted)
		a.until(func(m message) bool { return m.Type == "room_members" && len(m.Members) == 2 })
	}()
	n := 0
	for gone := false; !gone; n++ {
		select {
		case <-evicted:
			gone = true
		default:
		}
		a.send(`{"type":"message","data":[%d,%q]}`, n, padding)
		m := b.until(func(m message) bool { return m.Type == "message" })
		if got := m.Data.([]any)[0]; got != float64(n) {
			t.Fatalf("b got message %v, want %d", got, n)
		}
	}
	slow.wantClose(4003)
	d.Wait(t, "evicted", "id", "slow")
	d.Wait(t, "leave", "id", "slow", "reason", "slow_consumer")
}

// A reader of the log that stalls holds nobody up: lines are dropped, counted, and
// the count is told when it reads again.
func TestStalledLog(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := parleyd.Command("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-level", "debug", "--rate", "0", "--rate-bytes", "0", "--rate-changes", "0")
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	lines := bufio.NewScanner(r)
	if !lines.Scan() {
		t.Fatal("no log")
	}
	var start struct {
		Listen string
		Admin  string `json:"admin_listen"`
	}
	if err := json.Unmarshal(lines.Bytes(), &start); err != nil {
		t.Fatal(err)
	}

	a := dial(t, "ws://"+start.Listen+"/ws", nil)
	a.join("r", "a")
	dropped := func() int {
		_, body := parleyd.Get(t, start.Admin, "/metrics")
		_, rest, _ := strings.Cut(body, "\nparley_log_lines_dropped_total ")
		number, _, _ := strings.Cut(rest, "\n")
		n, err := strconv.ParseFloat(number, 64)
		if err != nil {
			t.Fatal(err)
		}
		return int(n)
	}
	for dropped() == 0 {
		for range 2000 {
			a.send(`{"type":"message","to":"a","data":1}`)
			a.until(func(m message) bool { return m.Type == "message" })
		}
	}
	told := make(chan bool)
	go func() {
		for lines.Scan() {
			if strings.Contains(lines.Text(), `"msg":"log dropped"`) {
				told <- true
				break
			}
		}
		_, _ = io.Copy(io.Discard, r)
	}()
	select {
	case <-told:
	case <-time.After(parleyd.Patience):
		t.Error("the log does not say that lines were dropped")
	}
	_ = a.conn.Close(websocket.StatusNormalClosure, "")
}
