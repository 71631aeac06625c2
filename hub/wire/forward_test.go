package wire

import (
	"encoding/json"
	"testing"
)

// opened is what receivers get when the caller of Open does its part.
func opened(e *Envelope, room, from string) string {
	text, missing := e.Open()
	out := append([]byte(nil), text...)
	if missing&FieldRoom != 0 {
		out = AppendQuoted(append(out, `,"room":`...), room)
	}
	if missing&FieldFrom != 0 {
		out = AppendQuoted(append(out, `,"from":`...), from)
	}
	return string(append(out, '}'))
}

// Receivers see each room and id in one spelling, and only the true ones.
func TestForwardedSpelling(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing given", `{"type":"hangup","to":"b"}`, `{"type":"hangup","to":"b","room":"Café","from":"Zoë"}`},
		{"the normal form stays", `{"type":"hangup","from":"Zoë","to":"b","room":"Café"}`, `{"type":"hangup","from":"Zoë","to":"b","room":"Café"}`},
		{"its escapes stay", `{"type":"hangup","from":"Zo\u00eb","to":"b","room":"Caf\u00e9"}`, `{"type":"hangup","from":"Zo\u00eb","to":"b","room":"Caf\u00e9"}`},
		{"from alone stays", `{"from":"Zoë","type":"hangup","to":"b"}`, `{"from":"Zoë","type":"hangup","to":"b","room":"Café"}`},
		{"room alone stays", `{"room":"Café","type":"hangup","to":"b"}`, `{"room":"Café","type":"hangup","to":"b","from":"Zoë"}`},
		{"from in another form", "{\"from\":\"Zoe\u0308\",\"type\":\"hangup\",\"to\":\"b\"}", `{"type":"hangup","to":"b","room":"Café","from":"Zoë"}`},
		{"from in another form by escapes", `{"type":"hangup","from":"Zoe\u0308","to":"b"}`, `{"type":"hangup","to":"b","room":"Café","from":"Zoë"}`},
		{"room in another form", "{\"type\":\"hangup\",\"to\":\"b\",\"room\":\"Cafe\u0301\"}", `{"type":"hangup","to":"b","room":"Café","from":"Zoë"}`},
		{"both in another form", "{\"room\":\"Cafe\u0301\", \"type\":\"hangup\" , \"from\":\"Zoe\u0308\"\t,\"to\":\"b\"}", `{ "type":"hangup" , "to":"b","room":"Café","from":"Zoë"}`},
		{"both last", "{\"type\":\"hangup\",\"to\":\"b\" ,\n \"room\":\"Cafe\u0301\" , \"from\":\"Zoe\u0308\" }", `{"type":"hangup","to":"b" ,"room":"Café","from":"Zoë"}`},
		{"a look-alike", `{"type":"hangup","from":"Zoë","From":"x","to":"b"}`, `{"type":"hangup","From":"x","to":"b","room":"Café","from":"Zoë"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var e Envelope
			if r := e.Parse([]byte(c.text)); r != nil {
				t.Fatal(r)
			}
			own := NewSuffixes("Café", "Zoë")
			f := e.AppendForward(nil, &own)
			got := opened(&e, "Café", "Zoë")
			if got != string(f) {
				t.Errorf("Open makes %s, Forward %s", got, f)
			}
			var fields struct{ Type, Room, From, To string }
			if err := json.Unmarshal([]byte(got), &fields); err != nil || fields.Room != "Café" || fields.From != "Zoë" || fields.To != "b" || fields.Type != "hangup" {
				t.Errorf("%s: %v", got, err)
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// The bytes that arrived stay as they were: other messages may still be read from them.
func TestForwardLeavesTheTextAlone(t *testing.T) {
	text := "{\"from\":\"Zoe\u0308\",\"type\":\"hangup\",\"room\":\"r\",\"to\":\"b\"}"
	b := []byte(text)
	var e Envelope
	if r := e.Parse(b); r != nil {
		t.Fatal(r)
	}
	e.Open()
	if string(b) != text {
		t.Errorf("the text became %s", b)
	}
}
