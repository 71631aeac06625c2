package dialect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/parley-rtc/parley/cmd/soak/internal/payload"
)

// read reads an object with the rules of parleyd's protocol, to the last byte.
func read(text []byte, f func(name, value []byte)) error {
	valid := true
	err := fields(text, &parleyRules, func(name, value []byte) {
		valid = valid && (!parleyRules.body(name) || Valid(value))
		f(name, value)
	})
	if err == nil && !valid {
		err = explain(text)
	}
	return err
}

func TestFields(t *testing.T) {
	got := ""
	err := read([]byte(` { "a" : "x\\" , "b\"":[1,{"c":"}]"}],"d":null, "e":-1.5e3,"f" : {} } `), func(name, value []byte) {
		got += fmt.Sprintf("%s=%s;", name, value)
	})
	if want := `a="x\\";b"=[1,{"c":"}]"}];d=null;e=-1.5e3;f={};`; err != nil || got != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

// nested returns an object that nests so many levels deep.
func nested(depth int) string {
	return `{"a":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + "}"
}

// A text that RFC 8259 does not allow is no message, and the error says why.
func TestStrict(t *testing.T) {
	for text, why := range map[string]string{
		"": "unexpected end", "[]": "", `"a"`: "", "{": "unexpected end", `{"a"}`: "at byte 5", `{"a":}`: "at byte 6", `{"a":1`: "unexpected end",
		`{"a":"b`: "unexpected end", `{"a":[1}`: "at byte 8", `{"a":1} x`: "at byte 9", `{"a":1}{}`: "at byte 8", `{a:1}`: "at byte 2",
		`{"a":1 "b":2}`: "at byte 8", `{"a":1,}`: "at byte 8", `{,"a":1}`: "at byte 2", `{"a":1,,"b":2}`: "at byte 8", `{"a":[1,]}`: "at byte 9",
		`{"a":[1 2]}`: "at byte 9", `{"a":[,1]}`: "at byte 7", `{"a":{"b":1]}`: "at byte 12", `{"a":{"b":1,}}`: "at byte 13", `{"a":{1:1}}`: "at byte 7",
		`{"a":{"b"}}`: "at byte 10", `{"a":{"b" 1}}`: "at byte 11", `{"a":tru}`: "at byte 9", `{"a":truee}`: "at byte 10", `{"a":True}`: "at byte 6",
		`{"a":NaN}`: "at byte 6", `{"a":01}`: "at byte 7", `{"a":+1}`: "at byte 6", `{"a":1.}`: "at byte 8", `{"a":.5}`: "at byte 6", `{"a":1e}`: "at byte 8",
		`{"a":-}`: "at byte 7", `{"a":0x1}`: "at byte 7", `{"a":'b'}`: "at byte 6", `{"a":"\x"}`: "at byte 8", `{"a":"\u12g4"}`: "at byte 11",
		`{"a":"\u123"}`: "at byte 12", `{"a":"\`: "string escape", "{\"a\":\"\t\"}": "at byte 7", "{\"a\":\"\x00\"}": "at byte 7", "{\"a\":\"1234567\n\"}": "at byte 14",
		"{\"a\":\"\xff\"}": "not UTF-8", "{\"\xc3\":1}": "not UTF-8", "{\"a\":[\"\xed\xa0\x80\"]}": "not UTF-8", "{\"a\":\"\xc0\xaf\"}": "not UTF-8",
		"\ufeff{}": "at byte 1", `{"a":1 /* one */}`: "at byte 8", "{\"a\":1\v}": "at byte 7",
		`{"a":1,"a":1}`: `"a" appears twice`, `{"ab":1,"a\u0062":2}`: `"ab" appears twice`, `{"a\u0062":1,"ab":2}`: `"ab" appears twice`,
		`{"":1,"":2}`: `"" appears twice`, nested(maxDepth + 1): "deeper than 1000",
	} {
		err := read([]byte(text), func(_, _ []byte) {})
		if !errors.Is(err, ErrNotJSON) || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want %q", text, err, why)
		}
		for name := range strings.FieldsSeq("sdp candidate data") { // as payloads
			text := strings.Replace(text, `"a"`, `"`+name+`"`, 1)
			if strings.Contains(why, "twice") {
				continue
			}
			if err := read([]byte(text), func(_, _ []byte) {}); !errors.Is(err, ErrNotJSON) {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
}

// Unusual texts that RFC 8259 allows are messages.
func TestLenient(t *testing.T) {
	many := "{"
	for i := range 200 {
		many += fmt.Sprintf(`"%c%d":%d,`, 'a'+i%7, i, i)
	}
	for _, text := range []string{
		"{}", " {\r\n\t} ", `{"a":{"b":1,"b":2}}`, `{"a":1,"A":2,"á":3,"\"":4}`, `{"a":-0,"b":0.0,"c":1E+9,"d":-1e-9}`, `{"a":[],"b":{},"c":[[],{}]}`,
		`{"a":"\"\\\/\b\f\n\r\t\uABcd"}`, `{"a":"\ud800"}`, "{\"a\":\"\u007f\u0080\uffff\U0001f600\"}", nested(maxDepth), many + `"z":0}`,
	} {
		if err := read([]byte(text), func(_, _ []byte) {}); err != nil || !json.Valid([]byte(text)) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := fields([]byte(`{"a":1,"a":2}`), &peerRules, func(_, _ []byte) {}); err != nil {
		t.Errorf("where names need not be unique: %v", err)
	}
	twice := strings.Replace(many, `"a0"`, `"f145"`, 1) + `"z":0}`
	if err := read([]byte(twice), func(_, _ []byte) {}); err == nil || !strings.Contains(err.Error(), `"f145" appears twice`) {
		t.Errorf("among many fields: %v", err)
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

// topLevel reads an object as encoding/json does; ok is false where it is none, or
// has a field twice.
func topLevel(text []byte) (values map[string]string, ok bool) {
	if !json.Valid(text) || !utf8.Valid(text) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return nil, false
	}
	values = map[string]string{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, false
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, false
		}
		if _, twice := values[name.(string)]; twice {
			return nil, false
		}
		values[name.(string)] = string(value)
	}
	return values, true
}

// depthOf counts the brackets that are open at once, those in strings too: as deep as
// the text nests, or deeper.
func depthOf(text []byte) (deepest int) {
	open := 0
	for _, c := range text {
		switch c {
		case '{', '[':
			open++
			deepest = max(deepest, open)
		case '}', ']':
			open--
		}
	}
	return deepest
}

// Fields take just what encoding/json takes, and finds the same values.
func FuzzFields(f *testing.F) {
	for _, text := range []string{`{"a":[1,{"b":"\u00e9\\"}],"c":-1.5e+3}`, `{"a":1,"\u0061":2}`, "{\"a\":\"\xf0\x9f\x98\x80\xff\"}", `{"a":[1 2]}`, nested(20)} {
		f.Add([]byte(text))
	}
	f.Add(parley().Message(nil, &Message{From: "a", To: "b", Ref: []byte("1"), Stamp: payload.Stamp{Kind: payload.Candidate}}))
	f.Fuzz(func(t *testing.T, in []byte) {
		if depthOf(in) > maxDepth {
			return
		}
		got := map[string]string{}
		err := read(in, func(name, value []byte) {
			got[string(text([]byte(`"`+string(name)+`"`)))] = string(value)
		})
		want, ok := topLevel(in)
		if ok != (err == nil) {
			t.Fatalf("%q: %v, but to encoding/json it is %v", in, err, ok)
		}
		if !ok {
			return
		}
		if len(got) != len(want) {
			t.Fatalf("%q: %q, want %q", in, got, want)
		}
		for name, value := range want {
			if got[name] != value {
				t.Fatalf("%q: %q, want %q", in, got, want)
			}
		}
	})
}

func parley() *Dialect { return dialects["parley"] }

func BenchmarkRead(b *testing.B) {
	for k := range payload.Kind(payload.NumKinds) {
		message := parley().Message(nil, &Message{Room: "soak-01234567-1", From: "soak-01234567-1-0", To: "soak-01234567-1-1", Ref: []byte("1.1"), Stamp: payload.Stamp{Kind: k}})
		b.Run(k.String(), func(b *testing.B) {
			b.SetBytes(int64(len(message)))
			var e Event
			for b.Loop() {
				if err := readParley(message, &e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
