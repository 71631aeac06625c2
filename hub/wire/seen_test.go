package wire

import (
	"strings"
	"testing"
)

// members is what a function finds in text; "!" is what is no object.
func members(text []byte, each func([]byte, func(name, value []byte)) bool) string {
	var found strings.Builder
	if !each(text, func(name, value []byte) { found.WriteString(string(name) + "=" + string(value) + " ") }) {
		return "!"
	}
	return found.String()
}

// Of what is an object, both ways to read it find the same. Of all else, the fast one ends.
func FuzzSeen(f *testing.F) {
	for _, text := range []string{
		`{}`, ` { "a" : 1 , "b":[1,{"c":2}] } `, `{"\u0061\\":"\n","b":"\\\"}","c":"\\"}`, `{"a":[],"b":{},"c":[[{}]],"d":""}`,
		`{"a":-1.5e+3 ,"b":null,"c":true}`, "{\"a\"\t:\n[ 1 , \"]\" ]\r}", `{"a":"]}{[,:"}`,
		`{"room":,"count":,`, `{"room":]}`, `{`, `{"`, `{"a`, `{"a"`, `{"a":`, `{"a":1`, `{"a":"\`, `{"a":"\"`, `{"a":[`, `{"\`, `{"\u"`, `{"\ud800\u":1}`, `{"a":]}`, `{"a":}`, `{,}`, `[]`, ``,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		want, got := members(text, EachMember), members(text, EachMemberSeen)
		if want != "!" && got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		var d Delivered
		d.Read(text)
		var checked, seen Envelope
		if r := checked.Parse(text); r == nil {
			if r := seen.ParseSeen(text); r != nil {
				t.Fatalf("%q: %v", text, r)
			}
			if checked.Type != seen.Type || string(checked.To) != string(seen.To) || checked.has != seen.has || checked.end != seen.end ||
				checked.roomAt != seen.roomAt || checked.fromAt != seen.fromAt || checked.lookalikes != seen.lookalikes {
				t.Errorf("%q: %+v, want %+v", text, seen, checked)
			}
		} else {
			seen.ParseSeen(text)
		}
	})
}
