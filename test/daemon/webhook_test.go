package daemon

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// application is what webhooks talk to.
type application struct {
	*httptest.Server
	down atomic.Bool

	mu     sync.Mutex
	events []string
	asked  []string
	come   chan struct{}
}

func startApplication(t *testing.T) *application {
	t.Helper()
	a := &application{come: make(chan struct{}, 1000)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /join", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		a.mu.Lock()
		a.asked = append(a.asked, string(body))
		a.mu.Unlock()
		if a.down.Load() {
			panic(http.ErrAbortHandler)
		}
		var q struct {
			Data struct{ Room, ID, Token string }
		}
		_ = json.Unmarshal(body, &q)
		switch {
		case q.Data.Room == "closed":
			fmt.Fprint(w, `{"allow":false,"reason":"this one is closed"}`)
		case q.Data.Token == "chair":
			fmt.Fprint(w, `{"allow":true,"id":"chair","name":"The Chair","rights":["send","message","moderate"]}`)
		default:
			fmt.Fprint(w, `{"allow":true}`)
		}
	})
	mux.HandleFunc("POST /event", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if a.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var e struct {
			Type string
			Data struct{ Room, ID string }
		}
		if json.Unmarshal(body, &e) != nil || r.Header.Get("webhook-signature") == "" {
			t.Errorf("event: %s", body)
		}
		a.mu.Lock()
		a.events = append(a.events, e.Type+" "+e.Data.Room+" "+e.Data.ID)
		a.mu.Unlock()
		a.come <- struct{}{}
	})
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	return a
}

func webhookSecret(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "webhook")
	write(t, path, []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=\n"))
	return path
}

func TestJoinWebhook(t *testing.T) {
	app, secret := startApplication(t), webhookSecret(t)
	d := parleyd.Start(t, "--join-webhook", app.URL+"/join", "--webhook-secret-file", secret)
	chair, guest := connect(t, d), connect(t, d)
	if m := chair.joinWith(`"room":"r","token":"chair"`); m.From != "chair" {
		t.Errorf("got %+v", m)
	}
	guest.join("r", "guest")
	chair.send(`{"type":"lock"}`)
	if m := guest.until(func(m message) bool { return m.Locked }); m.Names["chair"] != "The Chair" {
		t.Errorf("got %+v", m)
	}
	if m := connect(t, d).joinWith(`"room":"closed"`); m.Code != "forbidden" || m.Error != "this one is closed" {
		t.Errorf("got %+v", m)
	}
	app.down.Store(true)
	if m := connect(t, d).joinWith(`"room":"s"`); m.Code != "unavailable" {
		t.Errorf("while the application is down: %+v", m)
	}
	// The membership goes on.
	guest.send(`{"type":"message","data":1}`)
	chair.until(func(m message) bool { return m.Type == "message" })

	open := parleyd.Start(t, "--join-webhook", app.URL+"/join", "--webhook-secret-file", secret, "--join-webhook-fail-open")
	if m := connect(t, open).joinWith(`"room":"s"`); m.Type != "joined" {
		t.Errorf("while the application is down, failing open: %+v", m)
	}
}

// The application hears of all that happens in a room, in order, though it was away
// for a while, and of the end.
func TestEventWebhook(t *testing.T) {
	app := startApplication(t)
	d := parleyd.Start(t, "--event-webhook", app.URL+"/event", "--webhook-secret-file", webhookSecret(t))
	app.down.Store(true)
	a, b := connect(t, d), connect(t, d)
	a.join("r", "a")
	b.join("r", "b")
	d.Wait(t, "event webhook failed")
	app.down.Store(false)
	for range 3 {
		<-app.come
	}
	b.send(`{"type":"leave"}`)
	a.until(func(m message) bool { return m.Type == "room_members" && len(m.Members) == 1 })
	d.Signal(syscall.SIGTERM)
	if code := d.ExitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	want := []string{
		"room.opened r ", "member.joined r a", "member.joined r b", "member.left r b", "member.left r a", "room.closed r ",
	}
	if !slices.Equal(app.events, want) {
		t.Errorf("told %q, want %q", app.events, want)
	}
}
