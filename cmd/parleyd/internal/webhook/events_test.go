package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parley-rtc/parley/hub/event"
)

func newEvents(t *testing.T, url string, change func(*EventOptions)) *Events {
	t.Helper()
	o := EventOptions{URL: url, Secret: secret, Logger: zap.NewNop()}
	if change != nil {
		change(&o)
	}
	e, err := NewEvents(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Events of a room come in order and each once, though the application fails in
// every way meanwhile: they are sent again, under the same id.
func TestEvents(t *testing.T) {
	var kept []string
	var mu sync.Mutex
	rc := receive(t, func(w http.ResponseWriter, r *http.Request, n int) {
		switch n {
		case 1:
			w.WriteHeader(http.StatusInternalServerError)
		case 3:
			reset(w, "")
		case 5:
			http.Redirect(w, r, "/", http.StatusFound)
		default:
			mu.Lock()
			kept = append(kept, r.Header.Get("webhook-id"))
			mu.Unlock()
			w.WriteHeader(http.StatusNoContent)
		}
	})
	e := newEvents(t, rc.URL, nil)
	const n = 5
	for i := range n {
		e.Notify(event.Event{Kind: event.MemberJoined, Time: time.Now(), Room: "r", ID: fmt.Sprint(i), Members: i + 1})
	}
	rc.wait(n + 3)
	e.Close(t.Context())
	var ids []string
	for _, body := range rc.bodies {
		var m message
		if err := json.Unmarshal([]byte(body), &m); err != nil || m.Type != "member.joined" || m.Data.Room != "r" || m.Data.Members == nil {
			t.Fatalf("%s: %v", body, err)
		}
		ids = append(ids, m.Data.ID)
	}
	if want := []string{"0", "0", "1", "1", "2", "2", "3", "4"}; !slices.Equal(ids, want) {
		t.Errorf("came in the order %v, want %v", ids, want)
	}
	if rc.ids[0] != rc.ids[1] || rc.ids[1] == rc.ids[2] {
		t.Errorf("ids of messages: %v", rc.ids)
	}
	if d, r := e.Stats.Delivered.Load(), e.Stats.Retried.Load(); d != n || r != 3 || e.Stats.Waiting.Load() != 0 {
		t.Errorf("%d delivered, %d retried", d, r)
	}
}

// The queue is bounded, dropped events are counted, and Notify does not wait.
func TestEventsBounded(t *testing.T) {
	rc := receive(t, func(w http.ResponseWriter, r *http.Request, _ int) { hang(w, r) })
	core, logged := observer.New(zap.WarnLevel)
	e := newEvents(t, rc.URL, func(o *EventOptions) { o.MaxWaiting, o.Logger = 100, zap.New(core) })
	for i := range 1000 {
		e.Notify(event.Event{Kind: event.MemberLeft, Room: fmt.Sprint(i)})
	}
	if w, d := e.Stats.Waiting.Load(), e.Stats.Dropped.Load(); w != 100 || d != 900 {
		t.Errorf("%d wait, %d were dropped", w, d)
	}
	if logged.FilterMessage(EventDropped).Len() == 0 {
		t.Error("nothing was logged")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e.Close(ctx)
	if d := e.Stats.Dropped.Load(); d != 1000 {
		t.Errorf("%d were dropped in the end", d)
	}
}

// An event that can't be delivered for long is given up, and those behind it come.
func TestEventsGiveUp(t *testing.T) {
	var first atomic.Value // id of the event that is never taken
	taken := make(chan struct{})
	rc := receive(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		id := r.Header.Get("webhook-id")
		if first.CompareAndSwap(nil, id) || first.Load() == id {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		close(taken)
	})
	e := newEvents(t, rc.URL, func(o *EventOptions) { o.GiveUp = time.Millisecond })
	e.Notify(event.Event{Kind: event.OpenedRoom, Room: "r"})
	e.Notify(event.Event{Kind: event.ClosedRoom, Room: "r", Duration: 1500 * time.Millisecond})
	select {
	case <-taken:
	case <-time.After(patience):
		t.Fatal("the second event did not come")
	}
	e.Close(t.Context())
	last := rc.bodies[len(rc.bodies)-1]
	if !strings.Contains(last, `"room.closed"`) || !strings.Contains(last, `"duration":1.5`) {
		t.Errorf("%q", rc.bodies)
	}
	if dr := e.Stats.Dropped.Load(); dr != 1 {
		t.Errorf("%d were dropped", dr)
	}
}

// Close still delivers the events that wait.
func TestEventsClose(t *testing.T) {
	rc := receive(t, func(http.ResponseWriter, *http.Request, int) {})
	e := newEvents(t, rc.URL, nil)
	for i := range 50 {
		e.Notify(event.Event{Kind: event.MemberJoined, Room: fmt.Sprint(i)})
	}
	e.Close(t.Context())
	if d := e.Stats.Delivered.Load(); d != 50 {
		t.Errorf("%d were delivered", d)
	}
}
