package dialect

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/parley-rtc/parley/cmd/soak/internal/payload"
)

// A dialect sends JSON, and reads the same payload
// from the forwarded message.
func TestMessages(t *testing.T) {
	for _, name := range Names() {
		d, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		for k := range payload.Kind(payload.NumKinds) {
			m := Message{Room: "r", From: "a", To: "b", Stamp: payload.Stamp{Run: 1, Kind: k, Seq: 9}}
			if name == "parley" {
				m.Ref = []byte("x1")
			}
			text := d.Message(nil, &m)
			var e Event
			if err := d.Read(text, &e); err != nil || !json.Valid(text) {
				t.Fatalf("%s: %v: %s", name, err, text)
			}
			s, err := payload.Check(e.Body, k, 1)
			if e.Type != Forwarded || e.Kind != k || string(e.To) != "b" || err != nil || s != m.Stamp {
				t.Errorf("%s: %+v of %s: %v", name, e, text, err)
			}
		}
	}
	if _, err := Find("klingon"); err == nil {
		t.Error("there is a dialect that should not be")
	}
}

// A join says all that a server may ask for, and a fresh token is given in a message of
// its own.
func TestJoin(t *testing.T) {
	for _, e := range []Entry{{Room: "r", ID: "a"}, {Room: "r", ID: "a", Token: "x.y.z"}, {Room: "r", ID: "a", Passcode: "\"p\\\n\u00e9<"}, {Room: "r", ID: "a", Token: "x", Passcode: "p"}} {
		for name, resumable := range map[string]bool{"base": false, "parley": true} {
			want := map[string]any{"type": "join", "room": e.Room, "from": e.ID}
			if resumable {
				want["resumable"] = true
			}
			if e.Token != "" {
				want["token"] = e.Token
			}
			if e.Passcode != "" {
				want["passcode"] = e.Passcode
			}
			var got map[string]any
			text := dialects[name].Join(nil, &e)
			if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %s, %v, want %v", name, text, err, want)
			}
		}
	}
	text := parley().Renew(nil, `a"b`)
	var e Event
	if string(text) != `{"type":"token","token":"a\"b"}` || readParley([]byte(`{"type":"token","expires":"2026-01-01T00:00:00Z"}`), &e) != nil || e.Type != Renewed {
		t.Errorf("%s, and its answer is %+v", text, e)
	}
}
