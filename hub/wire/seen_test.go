package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
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
		`{"room":,"count":,`, `{"room":]}`, `{`, `{"`, `{"a`, `{"a"`, `{"a":`, `{"a":1`, `{"a":"\`, `{"a":"\"`, `{"a":[`, `{"\`, `{"\u"`, `{"\ud800\u":1}`, `{"\u123\\":1}`, `{"type":"\u\\"}`, `{"a":]}`, `{"a":}`, `{,}`, `[]`, ``,
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
	})
}

// What is composed is read, or refused, as it was composed.
func FuzzCompose(f *testing.F) {
	for _, body := range []string{"", "1", `{"a":"\n","from":"x"}`, `"text"`, "[]"} {
		for _, to := range []string{"", "b", "a\"\\\n", "e\u0301"} {
			f.Add(uint8(TypeOffer), to, []byte(body), "#1")
		}
		for t := range NumTypes {
			f.Add(uint8(t), "b", []byte(body), "#1")
			f.Add(uint8(t), "", []byte(body), "#1")
		}
	}
	f.Fuzz(func(t *testing.T, number uint8, to string, body []byte, ref string) {
		typ, body := Type(number%NumTypes), bytes.Trim(body, " \t\r\n")
		if !typ.Forwarded() || len(body) > 0 && !json.Valid(body) || !utf8.Valid(body) ||
			!utf8.ValidString(to) || !utf8.ValidString(ref) || len(ref) > MaxRef {
			t.Skip()
		}
		var composed, parsed Envelope
		text, want := composed.Compose([]byte("before"), typ, []byte(to), body, []byte(ref))
		text = text[len("before"):]
		r := parsed.Parse(text)
		if errors.Is(r, errNotJSON) {
			t.Skip() // too deep
		}
		if r != want {
			t.Fatalf("%s: %v, want %v", text, r, want)
		}
		parsed.unknown, composed.unknown = nil, nil
		parsed.TypeName, composed.TypeName = bytes.Clone(parsed.TypeName), bytes.Clone(composed.TypeName)
		if got, want := fmt.Sprintf("%+v", composed), fmt.Sprintf("%+v", parsed); got != want {
			t.Errorf("%s is composed as %s and read as %s", text, got, want)
		}
	})
}
