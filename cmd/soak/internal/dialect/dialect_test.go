package dialect

import (
	"encoding/json"
	"testing"

	"github.com/parley-rtc/parley/cmd/soak/internal/payload"
)

// What a dialect sends is JSON, and what it reads back of a forwarded message is the
// same payload.
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
		if d.Join != nil && !json.Valid(d.Join(nil, "room", "id", true)) {
			t.Errorf("%s: join is %s", name, d.Join(nil, "room", "id", true))
		}
	}
	if _, err := Find("klingon"); err == nil {
		t.Error("there is a dialect that should not be")
	}
}
