package hub

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parley-rtc/parley/hub/event"
)

// A callback that panics, or that takes its time, holds nobody up and ends nothing.
func TestNotify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []event.Kind
		panics := 0
		block := make(chan struct{})
		core, logged := observer.New(zap.InfoLevel)
		h, err := New(Options{Logger: zap.New(core), Notify: func(e event.Event) {
			seen = append(seen, e.Kind)
			if e.Kind == event.OpenedRoom {
				<-block
			}
			if e.Kind == event.MemberJoined {
				panics++
				panic("boom")
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		c := connect(h)
		c.enter(t, "r", "a")
		for range eventQueue {
			_ = c.Leave()
			if in, err := c.Join(Join{Room: "r", ID: "a", Welcome: []byte(`{}`)}, Request{}); !in || err != nil {
				t.Fatal(in, err)
			}
		}
		if h.Stats().EventsDropped.Load() == 0 {
			t.Error("no event was dropped although nobody takes them")
		}
		close(block)
		c.End(event.ReasonLost)
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if len(seen) < 3 || seen[0] != event.OpenedRoom || seen[1] != event.MemberJoined || seen[2] == event.MemberJoined {
			t.Errorf("told %v", seen[:min(len(seen), 5)])
		}
		if n := logged.FilterMessage(event.Panic).Len(); n != panics {
			t.Errorf("%d lines about %d panics", n, panics)
		}
	})
}

// Shutdown waits for Notify until its context is done, Close does not wait, and
// neither hands over anything afterwards.
func TestEndWithSlowNotify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		h, err := New(Options{Notify: func(event.Event) { calls.Add(1); time.Sleep(time.Minute) }})
		if err != nil {
			t.Fatal(err)
		}
		c := connect(h)
		c.enter(t, "r", "a")
		_ = c.Leave()
		c.End(event.ReasonLost)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		if err := h.Close(); err != nil || time.Since(start) != time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		time.Sleep(time.Hour)
		if n := calls.Load(); n != 1 {
			t.Errorf("Notify was called %d times", n)
		}
	})
}
