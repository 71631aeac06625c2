package auth

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// keyServer answers for the URL of a key set, on the clock of a test.
type keyServer struct {
	start time.Time

	mu     sync.Mutex // guards what follows
	down   bool
	status int
	body   string
	asked  []time.Duration // since start
}

// becomes changes what is answered from now on.
func (s *keyServer) becomes(down bool, status int, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down, s.status, s.body = down, status, body
}

// oneKey is a key set with a key of this id.
func oneKey(t *testing.T, id string) string {
	t.Helper()
	_, k, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return jwks(t, public(k, id, ""))
}

// RoundTrip implements http.RoundTripper.
func (s *keyServer) RoundTrip(*http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, time.Since(s.start))
	if s.down {
		return nil, errors.New("down")
	}
	return &http.Response{StatusCode: s.status, Status: http.StatusText(s.status), Body: io.NopCloser(strings.NewReader(s.body))}, nil
}

// newKeyServer starts a remote that asks the server.
func newKeyServer(t *testing.T, refresh time.Duration) (*keyServer, *remote, *observer.ObservedLogs) {
	core, logged := observer.New(zap.InfoLevel)
	s := &keyServer{status: http.StatusOK, body: oneKey(t, "1"), start: time.Now()}
	r := newRemote(Options{JWKS: "http://keys.invalid/", Refresh: refresh, Logger: zap.New(core)}, s)
	synctest.Wait()
	return s, r, logged
}

func (s *keyServer) wantAsked(t *testing.T, when string, want ...time.Duration) {
	t.Helper()
	synctest.Wait()
	s.mu.Lock()
	got := s.asked
	s.asked = nil
	s.mu.Unlock()
	if len(got) != len(want) {
		t.Errorf("%s: asked at %v, want %v", when, got, want)
		return
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s: asked at %v, want %v", when, got, want)
		}
	}
}

// A key set behind a URL is fetched from time to time, and one that could not be fetched
// is tried again soon. The log tells of changes and of failures.
func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r, logged := newKeyServer(t, time.Minute)
		defer r.close()
		s.wantAsked(t, "at first", 0)
		time.Sleep(2 * time.Minute)
		s.wantAsked(t, "while it is up", time.Minute, 2*time.Minute)
		if n := logged.FilterMessage(EventReloaded).Len(); n != 1 {
			t.Errorf("%d lines of keys that have not changed", n)
		}
		other := oneKey(t, "2")
		s.becomes(false, http.StatusOK, other)
		time.Sleep(time.Minute)
		s.wantAsked(t, "with other keys", 3*time.Minute)
		if n := logged.FilterMessage(EventReloaded).Len(); n != 2 {
			t.Errorf("%d lines of two key sets", n)
		}
		s.becomes(true, 0, "")
		time.Sleep(time.Minute + 2*downPause)
		s.wantAsked(t, "down", 4*time.Minute, 4*time.Minute+downPause, 4*time.Minute+2*downPause)
		if n := logged.FilterMessage(EventFailed).Len(); n != 3 {
			t.Errorf("%d lines of three failures", n)
		}
		s.becomes(false, http.StatusOK, other)
		time.Sleep(downPause + time.Minute)
		s.wantAsked(t, "up again", 4*time.Minute+3*downPause, 5*time.Minute+3*downPause)
		if n := logged.Len(); n != 5 {
			t.Errorf("%d lines in the end", n)
		}
	})
}

// Tokens with unknown keys have the URL asked at most once in minPause.
func TestUnknownKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r, _ := newKeyServer(t, time.Hour)
		defer r.close()
		ask := func(enough bool) {
			t.Helper()
			if all, err := r.get(t.Context(), func([]key) bool { return enough }); err != nil || len(all) != 1 {
				t.Errorf("%d keys, %v", len(all), err)
			}
		}
		s.wantAsked(t, "at first", 0)
		time.Sleep(minPause)
		ask(false)
		s.wantAsked(t, "too soon")
		time.Sleep(time.Nanosecond)
		ask(true)
		s.wantAsked(t, "the key is known")
		ask(false)
		s.wantAsked(t, "after the pause", minPause+1)
		ask(false)
		s.wantAsked(t, "again")
		time.Sleep(minPause + 1)
		for range 10 {
			go func() { _, _ = r.get(context.Background(), func([]key) bool { return false }) }()
		}
		s.wantAsked(t, "ten at once", 2*(minPause+1))
	})
}

// An answer that is no key set, or is too large, takes no keys away.
func TestBadAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r, _ := newKeyServer(t, time.Minute)
		defer r.close()
		good := s.body
		for name, bad := range map[string]struct {
			status int
			body   string
		}{
			"an error":      {http.StatusNotFound, good},
			"nothing":       {http.StatusNoContent, good},
			"no key set":    {http.StatusOK, "{"},
			"no usable key": {http.StatusOK, `{"keys":[]}`},
			"too large":     {http.StatusOK, strings.Repeat(" ", maxJWKSBytes) + good},
		} {
			s.becomes(false, bad.status, bad.body)
			if _, err := r.download(t.Context()); err == nil {
				t.Errorf("%s was taken for keys", name)
			}
			time.Sleep(2 * time.Minute)
			if all, _, _ := r.current(); len(all) != 1 {
				t.Errorf("%s took the keys away", name)
			}
		}
		s.becomes(false, http.StatusOK, strings.Repeat(" ", maxJWKSBytes-len(good))+good)
		if all, err := r.download(t.Context()); err != nil || len(all) != 1 {
			t.Errorf("the largest key set: %d keys, %v", len(all), err)
		}
	})
}
