package ywebrtc

import (
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/parley-rtc/parley/wsconn"
	"github.com/parley-rtc/parley/wsconn/internal/dialecttest"
)

// A member of the room that speaks version 1 can neither break the others nor be taken for one
// of them.
func TestMembersThatSpeakVersion1(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), nil)
	a := subscribed(s, "t")
	room := New(Options{}).room("t")
	for _, data := range []string{`1`, `{}`, `{"type":"ping"}`, `"x"`, `{"type":"publish","topic":"t","data":"last"}`} {
		if err := s.Hub.Announce(t.Context(), room, json.RawMessage(data)); err != nil {
			t.Fatal(err)
		}
	}
	a.WantJSON(`{"type":"publish","topic":"t","data":"last","clients":0}`)
}

// Where the dialect is not spoken, such as on another node, its rooms are rooms as any other.
func TestWhatMembersOfVersion1SayIsReadBeforeItIsHeard(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), nil)
	a := subscribed(s, "t")
	plain, err := wsconn.NewHandler(s.Hub, wsconn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(plain)
	t.Cleanup(web.Close)
	there := *s
	there.URL = web.URL
	b := there.Dial("")
	b.Send(`{"type":"join","room":"` + New(Options{}).room("t") + `","from":"b"}`)
	for _, data := range []string{`{"type":"ping"}`, `{"hello":1}`, `{"type":"publish","topic":"t","clients":9,"data":"last"}`} {
		b.Send(`{"type":"message","data":` + data + `}`)
	}
	a.Want(`{"type":"publish","topic":"t","data":"last","clients":0}`)
}
