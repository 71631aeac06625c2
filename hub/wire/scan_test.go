package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// sample has every construct of JSON, with strings longer and shorter than the
// eight bytes that are looked at together.
const sample = `{"type":"message","data":[0,-0,1.5,-10e5,9E+59,1e-5,10.90,[],{},[[1 ]],{"a":[],"b":{"c":""} , "d":null}` +
	`,true,false,null,"a\"\\\/\b\f\n\r\t\u00e9\uD83d\uDE00\uAf09 seventeen letters","é€😀"] ,"x":1, "to" : "b"}`

// The reader and encoding/json agree on which bytes are a message, wherever a byte
// is replaced, left out, put in or the last one.
func TestEveryByteMatters(t *testing.T) {
	agree := func(text []byte) {
		if !utf8.Valid(text) {
			return // refused before it is parsed
		}
		want := readReference(text)
		if want.odd {
			return
		}
		var e Envelope
		r := e.Parse(text)
		if refused := r == errNotJSON || r != nil && strings.HasSuffix(r.Text, " appears twice in the message"); refused == want.ok {
			t.Fatalf("%q: %v, encoding/json: %v", text, r, want.ok)
		}
	}
	for i := range len(sample) {
		agree([]byte(sample[:i]))
		agree([]byte(sample[:i] + sample[i+1:]))
		for c := range 0x80 {
			b := []byte(sample)
			b[i] = byte(c)
			agree(b)
			if strings.IndexByte(`"\/{}[]:,0 -+.eEu`+"\t\x1f", byte(c)) >= 0 {
				agree([]byte(sample[:i] + string(rune(c)) + sample[i:]))
			}
		}
	}
}

// A control character ends a string at every place, and nothing else does.
func TestCharactersInStrings(t *testing.T) {
	for before := range 18 {
		for c := range 0x80 {
			inside := strings.Repeat("x", before) + string(rune(c)) + strings.Repeat("y", 17-before)
			text := `{"type":"ping","x":"` + inside + `"}`
			var e Envelope
			r := e.Parse([]byte(text))
			if want := json.Valid([]byte(text)); (r == nil) != want {
				t.Fatalf("%q: %v", text, r)
			}
		}
		for _, s := range []string{"\u0080", "é", "\u07ff", "€", "\ufffd", "😀", "\U0010ffff"} {
			inside := strings.Repeat("x", before) + s + strings.Repeat("\x7f", 17-before)
			e := parse(t, `{"type":"ping","ref":"`+inside+`"}`)
			if string(e.Ref) != inside {
				t.Fatalf("%q was read as %q", inside, e.Ref)
			}
		}
	}
}

// Escapes are what encoding/json reads, for each character.
func TestEscapes(t *testing.T) {
	for r := rune(0); r <= 0xFFFF; r++ {
		for _, form := range []string{`\u%04x`, `\u%04X`} {
			text := fmt.Sprintf(`{"type":"ping","ref":"a`+form+`b"}`, r)
			var e Envelope
			refusal := e.Parse([]byte(text))
			half := r >= 0xD800 && r <= 0xDFFF
			if (refusal != nil) != half {
				t.Fatalf("%s: %v", text, refusal)
			}
			if want := "a" + string(r) + "b"; !half && string(e.Ref) != want {
				t.Fatalf("%s is read as %q", text, e.Ref)
			}
		}
	}
	for text, want := range map[string]string{
		`\ud83d\ude00`: "😀", `x\uD83D\uDE00y`: "x😀y", `\udbff\udfff`: "\U0010ffff", `\ud800\udc00`: "\U00010000", `\"\\\/\b\f\n\r\t`: "\"\\/\b\f\n\r\t",
	} {
		if e := parse(t, `{"type":"ping","ref":"`+text+`"}`); string(e.Ref) != want {
			t.Errorf("%s is read as %q", text, e.Ref)
		}
	}
	// Halves of pairs: each is one byte that no text has.
	for text, want := range map[string]string{
		`\ud83d`: "\xff", `\ude00`: "\xff", `\ud83dx`: "\xffx", `\ud83d\n`: "\xff\n", `\ude00\ud83d`: "\xff\xff", `\ud83d\ud83d\ude00`: "\xff😀",
		`\ud83d\u0041`: "\xffA", `\ud83dude00`: "\xffude00", `\ud83d\\ude00`: `` + "\xff" + `\ude00`,
	} {
		if got := unescape([]byte(text)); string(got) != want {
			t.Errorf("%s is read as %q", text, got)
		}
	}
}

// Brackets are closed by their own kind at each of the 1,000 levels.
func TestNesting(t *testing.T) {
	for _, depth := range []int{1, 2, 62, 63, 64, 65, 126, 127, 128, 129, 500, 998, 999} {
		for _, kinds := range []string{"[", "{", "[{", "{[", "[[{"} {
			opened, closed := nest(kinds, depth)
			text := `{"type":"ping","x":` + opened + closed + `}`
			parse(t, text)
			for _, at := range []int{0, len(closed) / 2, len(closed) - 1} {
				b := []byte(text)
				i := len(text) - 1 - len(closed) + at
				b[i] ^= ']' ^ '}' // the other kind
				if (b[i] == ']' || b[i] == '}') && !json.Valid(b) {
					var e Envelope
					if r := e.Parse(b); r != errNotJSON {
						t.Fatalf("%d levels of %s with one crossed: %v", depth, kinds, r)
					}
				}
			}
		}
	}
	for _, kinds := range []string{"[", "{", "[{"} {
		opened, closed := nest(kinds, MaxDepth)
		var e Envelope
		if r := e.Parse([]byte(`{"type":"ping","x":` + opened + closed + `}`)); r != errNotJSON {
			t.Errorf("1,001 levels of %s: %v", kinds, r)
		}
	}
}

// nest returns the opening and the closing of so many levels.
func nest(kinds string, depth int) (opened, closed string) {
	var o, c bytes.Buffer
	for i := range depth {
		if kinds[i%len(kinds)] == '[' {
			o.WriteString("[")
		} else if i == depth-1 {
			o.WriteString("{")
		} else {
			o.WriteString(`{"a":`)
		}
	}
	for i := depth - 1; i >= 0; i-- {
		c.WriteByte(kinds[i%len(kinds)] + 2)
	}
	return o.String(), c.String()
}

// A list of strings may have any white space, and nothing else in it.
func TestMembersAreStrings(t *testing.T) {
	for value, want := range map[string]bool{
		`[]`: true, `[ ]`: true, `["a"]`: true, "[ \"a\" ,\n\"b\\\"\"\t]": true, `["]",","]`: true,
		`[1]`: false, `["a",null]`: false, `["a",["b"]]`: false, `[[]]`: false, `{}`: false, `"a"`: false, `null`: false, `["a", {}]`: false,
	} {
		var e Envelope
		r := e.Parse([]byte(`{"type":"ping","members":` + value + `}`))
		if (r == nil) != want {
			t.Errorf("%s: %v", value, r)
		}
	}
}
