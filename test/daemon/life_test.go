package daemon

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// At SIGTERM every client is closed with 1001 and the process exits 0.
func TestDrain(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		d := parleyd.Start(t)
		a, b := connect(t, d), connect(t, d)
		a.join("r", "a")
		d.Signal(signal)
		a.wantClose(websocket.StatusGoingAway)
		b.wantClose(websocket.StatusGoingAway)
		if code := d.ExitCode(t); code != 0 {
			t.Errorf("%v: exit code %d", signal, code)
		}
		d.Wait(t, "drain", "connections", 2)
		d.Wait(t, "stopped", "complete", true)
	}
}

// While it drains, the server is not ready and lets nobody in; a client that does
// not go holds it up for --drain-timeout at most.
func TestDrainTimeout(t *testing.T) {
	d := parleyd.Start(t, "--drain-timeout", "3s")
	stays := connect(t, d)
	stays.join("r", "stays") // it is with the hub; it reads no more, so it never answers the close frame
	d.Signal(syscall.SIGTERM)
	d.Wait(t, "drain")
	if status, _ := parleyd.Get(t, d.Address, "/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d", status)
	}
	if status, _ := parleyd.Get(t, d.Address, "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d", status)
	}
	_, resp, err := websocket.Dial(t.Context(), "ws://"+d.Address+"/ws", nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a new connection: %v", err)
	}
	if code := d.ExitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	d.Wait(t, "stopped", "complete", false)
	_ = stays.conn.CloseNow()
}

// For --drain-delay the server says that it goes away, and serves those who come all the
// same.
func TestDrainDelay(t *testing.T) {
	d := parleyd.Start(t, "--drain-delay", "10m")
	a := connect(t, d)
	a.join("r", "a")
	d.Signal(syscall.SIGTERM)
	d.Wait(t, "drain")
	if status, _ := parleyd.Get(t, d.Address, "/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d", status)
	}
	if status, _ := parleyd.Get(t, d.Address, "/"); status != http.StatusOK {
		t.Errorf("the page: %d", status)
	}
	b := connect(t, d)
	b.join("r", "b")
	a.sees("b")
	a.send(`{"type":"offer","to":"b","sdp":1}`)
	b.until(func(m message) bool { return m.Type == "offer" })
	d.Kill()

	brief := parleyd.Start(t, "--drain-delay", "100ms")
	a = connect(t, brief)
	a.join("r", "a")
	brief.Signal(syscall.SIGTERM)
	a.wantClose(websocket.StatusGoingAway)
	if code := brief.ExitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// A second signal ends a drain that takes too long for somebody. One that comes with the
// first, as some programs send them, does not.
func TestSecondSignal(t *testing.T) {
	d := parleyd.Start(t, "--drain-delay", "10m")
	d.Signal(syscall.SIGTERM)
	d.Wait(t, "drain")
	for ended := false; !ended; {
		select {
		case <-d.Exited():
			ended = true
		case <-time.After(50 * time.Millisecond):
			d.Signal(syscall.SIGTERM)
		}
	}
	if code := d.ExitCode(t); code != 1 {
		t.Errorf("a second signal: exit code %d", code)
	}

	d = parleyd.Start(t, "--drain-delay", "1s")
	d.Signal(syscall.SIGTERM)
	d.Signal(syscall.SIGINT)
	if code := d.ExitCode(t); code != 0 {
		t.Errorf("two signals at once: exit code %d", code)
	}
}

func TestMetrics(t *testing.T) {
	d := parleyd.Start(t)
	a, b := connect(t, d), connect(t, d)
	a.join("r", "a")
	b.join("r", "b")
	a.sees("b")
	a.send(`{"type":"offer","to":"b","sdp":1}`)
	b.until(func(m message) bool { return m.Type == "offer" })
	a.send(`{"type":"offer","to":"nobody","sdp":1}`)
	a.until(func(m message) bool { return m.Type == "error" })
	_, body := parleyd.Get(t, d.Admin, "/metrics")
	for _, want := range []string{
		"parley_connections 2", "parley_rooms 1", "parley_members 2",
		`parley_messages_total{type="offer"} 1`, `parley_refusals_total{code="target_not_found"} 1`,
		"parley_transit_seconds_count 1", "parley_log_lines_dropped_total 0", "parley_outbox_bytes 0",
		"parley_hub_batch_commands_bucket", "parley_hub_batch_seconds_bucket", "parley_received_bytes_total ", "parley_sent_bytes_total ",
		`parley_closes_total{code="1001"} 0`, "go_goroutines", "process_open_fds",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics does not say %s", want)
		}
	}
}

func TestLogLevel(t *testing.T) {
	d := parleyd.Start(t)
	put := func(body string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+d.Admin+"/log/level", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	if status := put(`{"level":"loud"}`); status != http.StatusBadRequest {
		t.Errorf("a level that is none: %d", status)
	}
	if status := put(`{"level":"debug"}`); status != http.StatusOK {
		t.Errorf("debug: %d", status)
	}
	d.Wait(t, "log level", "log_level", "debug")
	a := connect(t, d)
	a.join("r", "a")
	a.send(`{"type":"message","to":"a","data":1}`)
	d.Wait(t, "forward", "id", "a")
}
