package webhook

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/wsconn/ayame"
)

func TestAyameAsksAndTellsAsAyameDoes(t *testing.T) {
	bodies := make(chan string, 1)
	status, answer := 200, `{"allowed":true,"iceServers":[{"urls":["stun:a"]}],"authzMetadata":{"n":1}}`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		code, text := status, answer // until the body is taken, nobody changes them
		bodies <- r.URL.Path + " " + r.Header.Get("Content-Type") + " " + string(body)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}))
	defer s.Close()
	a := NewAyame(s.URL+"/authn", s.URL+"/gone", zap.NewNop())
	key := "k"
	q := &ayame.Question{RoomID: "r", ClientID: "c", ConnectionID: "i", SignalingKey: &key, AuthnMetadata: []byte(`{"a":1}`)}
	got, err := a.Authn(t.Context(), q)
	if err != nil || !*got.Allowed || string(got.ICEServers) != `[{"urls":["stun:a"]}]` || string(got.AuthzMetadata) != `{"n":1}` {
		t.Errorf("%+v, %v", got, err)
	}
	if want := `/authn application/json {"roomId":"r","clientId":"c","connectionId":"i","signalingKey":"k","authnMetadata":{"a":1}}`; <-bodies != want {
		t.Errorf("the application was not asked %s", want)
	}
	a.Gone(ayame.Gone{RoomID: "r", ClientID: "c", ConnectionID: "i"})
	if want := `/gone application/json {"roomId":"r","clientId":"c","connectionId":"i"}`; <-bodies != want {
		t.Errorf("the application was not told %s", want)
	}
	for _, test := range []struct {
		status int
		answer string
	}{{500, `{"allowed":true}`}, {302, `{"allowed":true}`}, {200, `yes`}, {200, `{"allowed":"yes"}`}, {200, ``}} {
		status, answer = test.status, test.answer
		if got, err := a.Authn(t.Context(), q); err == nil {
			t.Errorf("%d %s counts as %+v", test.status, test.answer, got)
		}
		<-bodies
	}
}

func TestAyameDoesNotWaitForAnApplicationThatIsTold(t *testing.T) {
	hold := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hold }))
	defer s.Close()
	a := NewAyame("", s.URL, zap.NewNop())
	for range 2 * ayameTelling {
		a.Gone(ayame.Gone{})
	}
	if n := len(a.telling); n != ayameTelling {
		t.Errorf("%d messages are under way", n)
	}
	close(hold)
	for begun := time.Now(); len(a.telling) > 0; time.Sleep(time.Millisecond) {
		if time.Since(begun) > 20*time.Second {
			t.Fatalf("%d messages are still under way", len(a.telling))
		}
	}
	if got, err := a.Authn(t.Context(), &ayame.Question{}); err != nil || !*got.Allowed {
		t.Errorf("without a webhook that decides: %+v, %v", got, err)
	}
}
