package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/wsconn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server runs a server and returns its ws:// URL.
func server(t *testing.T) string {
	t.Helper()
	h := hub.New(hub.Options{ResumeWindow: time.Minute})
	handler := wsconn.NewHandler(h, wsconn.DefaultOptions())
	s := httptest.NewServer(handler)
	t.Cleanup(func() {
		if err := handler.Drain(context.Background()); err != nil {
			t.Error(err)
		}
		s.Close()
		h.Close()
	})
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

// proxy stands between soak and a server, and passes what comes to members on
// through change, which sees offers, answers and candidates with their numbers.
func proxy(t *testing.T, upstream string, change func(n int64, text []byte, pass func([]byte))) string {
	t.Helper()
	var forwarded atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		down, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		up, _, err := websocket.Dial(ctx, upstream, nil)
		if err != nil {
			return
		}
		defer up.CloseNow()
		defer down.CloseNow()
		var end sync.WaitGroup
		end.Go(func() {
			defer cancel()
			for {
				typ, text, err := down.Read(ctx)
				if err != nil || up.Write(ctx, typ, text) != nil {
					return
				}
			}
		})
		pass := func(text []byte) {
			if text == nil { // break both connections, without a word
				_ = down.CloseNow()
				_ = up.CloseNow()
				return
			}
			_ = down.Write(ctx, websocket.MessageText, text)
		}
		for {
			_, text, err := up.Read(ctx)
			if err != nil {
				break
			}
			if bytes.Contains(text, []byte(`"sdp`)) {
				change(forwarded.Add(1), text, pass)
			} else {
				pass(text)
			}
		}
		cancel()
		end.Wait()
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

func soakAgainst(t *testing.T, url string) (code int, output string) {
	t.Helper()
	var out bytes.Buffer
	code = run(t.Context(), []string{"--url", url, "--rooms", "3", "--peers", "3", "--rate", "400", "--duration", "1s", "--ramp", "10ms"}, &out, &out)
	return code, out.String()
}

func TestGoodServer(t *testing.T) {
	code, out := soakAgainst(t, server(t))
	if code != exitOK || !strings.Contains(out, "PASS") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

// A server that is wrong about one message in fifty is found out, and what it does
// is said.
func TestBadServers(t *testing.T) {
	var mu sync.Mutex // guards held
	held := map[string][]byte{}
	for _, c := range []struct {
		name   string
		change func(n int64, text []byte, pass func([]byte))
		want   string
	}{
		{"drops", func(n int64, text []byte, pass func([]byte)) {
			if n%50 != 0 {
				pass(text)
			}
		}, "FAULT     lost: "},
		{"repeats", func(n int64, text []byte, pass func([]byte)) {
			pass(text)
			if n%50 == 0 {
				pass(text)
			}
		}, "FAULT     repeated: "},
		{"swaps", func(n int64, text []byte, pass func([]byte)) {
			// A held message goes out behind the next one on the same path.
			key := from(text)
			mu.Lock()
			before := held[key]
			delete(held, key)
			if n%50 == 0 && before == nil {
				held[key] = bytes.Clone(text)
				mu.Unlock()
				return
			}
			mu.Unlock()
			pass(text)
			if before != nil {
				pass(before)
			}
		}, "FAULT     out of order: "},
		{"alters", func(n int64, text []byte, pass func([]byte)) {
			if n%50 == 0 {
				text = bytes.Replace(text, []byte("IN IP4"), []byte("IN IP6"), 1)
				text = bytes.Replace(text, []byte("network-cost 999"), []byte("network-cost 998"), 1)
			}
			pass(text)
		}, "FAULT     altered: "},
		{"misnames the sender", func(n int64, text []byte, pass func([]byte)) {
			if n%50 == 0 {
				text = bytes.Replace(text, []byte(`"from":"soak-`), []byte(`"from":"hoax-`), 1)
			}
			pass(text)
		}, "FAULT     altered: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			code, out := soakAgainst(t, proxy(t, server(t), c.change))
			if code != exitFault || !strings.Contains(out, c.want) || !strings.Contains(out, "FAIL") {
				t.Errorf("exit code %d, want one with %q:\n%s", code, c.want, out)
			}
		})
	}
}

// from cuts the path out of a message's stamp.
func from(text []byte) string {
	i := bytes.Index(text, []byte(`"from":`))
	j := bytes.Index(text, []byte(`"to":`))
	return string(text[i:i+30]) + string(text[j:min(j+30, len(text))])
}

// Connections that break now and then are resumed, and nothing is lost but what
// was on its way to the server.
func TestBreakingConnections(t *testing.T) {
	url := proxy(t, server(t), func(n int64, text []byte, pass func([]byte)) {
		if n%40 == 0 {
			pass(nil)
			return
		}
		pass(text)
	})
	code, out := soakAgainst(t, url)
	if code != exitOK || !strings.Contains(out, "resumed   ") || !strings.Contains(out, "PASS") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

func TestNoServer(t *testing.T) {
	if code, out := soakAgainst(t, "ws://127.0.0.1:1/ws"); code != exitFault || !strings.Contains(out, "not joined") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

func TestWrongUse(t *testing.T) {
	for _, args := range [][]string{
		{"--url", "http://x"}, {"--rooms", "0"}, {"--peers", "1"}, {"--rate", "0"}, {"--duration", "0s"}, {"--ramp", "-1s"}, {"--colour"}, {"now"},
	} {
		if code := run(t.Context(), args, io.Discard, io.Discard); code != exitUsage {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
	if code := run(t.Context(), []string{"--help"}, io.Discard, io.Discard); code != exitOK {
		t.Errorf("--help: exit code %d", code)
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Microsecond)
	}
	for q, want := range map[float64]time.Duration{.5: 500 * time.Microsecond, .99: 990 * time.Microsecond, 1: time.Millisecond} {
		got := h.quantile(q)
		if got < want*96/100 || got > want*104/100 {
			t.Errorf("quantile %v is %s, want about %s", q, got, want)
		}
	}
}
