package dialect

import (
	"encoding/json"
	"fmt"
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

func TestFields(t *testing.T) {
	got := ""
	err := fields([]byte(` { "a" : "x\\" , "b\"":[1,{"c":"}]"}],"d":null, "e":-1.5e3} `), func(name, value []byte) {
		got += fmt.Sprintf("%s=%s;", name, value)
	})
	if want := `a="x\\";b\"=[1,{"c":"}]"}];d=null;e=-1.5e3;`; err != nil || got != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	for _, bad := range []string{"", "[]", "{", `{"a"}`, `{"a":}`, `{"a":1`, `{"a":"b`, `{"a":[1}`, `{"a":1} x`, `{a:1}`} {
		if err := fields([]byte(bad), func(_, _ []byte) {}); err == nil {
			t.Errorf("%q is taken for an object", bad)
		}
	}
}

func TestStrings(t *testing.T) {
	got := ""
	ok := Strings([]byte(`["a", "b\u0041" ,""]`), func(s []byte) { got += string(s) + ";" })
	if !ok || got != "a;bA;;" {
		t.Errorf("%v, %q", ok, got)
	}
	if Strings([]byte(`[1]`), func([]byte) {}) || Strings([]byte(`{}`), func([]byte) {}) || !Strings([]byte(`[ ]`), func([]byte) {}) {
		t.Error("what is an array of strings and what is not")
	}
}
