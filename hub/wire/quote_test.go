package wire

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestValidText(t *testing.T) {
	for s, want := range map[string]bool{
		"a": true, "Ann Lee": true, "Zoë": true, "日本": true, "😀": true, "<script>": true,
		strings.Repeat("x", MaxName): true,
		"":                           false, " a": false, "a ": false, "\u00a0a": false, "a\u3000": false, "a\tb": false, "a\x00": false, "a\x7f": false,
		"a\u2028b": false, "a\u200bb": false, "a\u202eb": false, "\ufeffa": false, "a\u0085": false, "\xff": false, "a\xc3": false,
		strings.Repeat("x", MaxName+1): false,
	} {
		if got := ValidName(s); got != want {
			t.Errorf("ValidName(%q) = %v", s, got)
		}
	}
}

// FuzzQuoted sees that what is quoted reads back as it was, and is UTF-8 whatever it
// was.
func FuzzQuoted(f *testing.F) {
	for _, seed := range []string{"", "a\"b\\c", "\x00\x1f\u2028é😀", "\xff", "a\x80\x80b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		quoted := AppendQuoted(nil, s)
		var back string
		if err := json.Unmarshal(quoted, &back); err != nil {
			t.Fatalf("%q: %v", quoted, err)
		}
		if !utf8.Valid(quoted) {
			t.Errorf("%q became %q", s, quoted)
		}
		if want := string(bytes.ToValidUTF8([]byte(s), nil)); utf8.ValidString(s) && back != want {
			t.Errorf("%q came back as %q", s, back)
		}
	})
}

// Characters that can't stand in a JSON string are escaped; no others are.
func TestAppendQuoted(t *testing.T) {
	for s, want := range map[string]string{
		"":        `""`,
		"a b":     `"a b"`,
		`"\/`:     `"\"\\/"`,
		"\x00":    `"\u0000"`,
		"\x1f":    `"\u001f"`,
		"\n\xff!": "\"\\u000a\ufffd!\"",
		"\x7f":    "\"\x7f\"",
		"é€😀":     `"é€😀"`,
		"\xc3":    "\"\ufffd\"",
		"é\xf0x":  "\"é\ufffdx\"",
	} {
		if got := string(AppendQuoted(nil, s)); got != want {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
		if got := string(AppendQuoted([]byte("x"), []byte(s))); got != "x"+want {
			t.Errorf("[]byte(%q): got %s, want x%s", s, got, want)
		}
	}
}

// The ends that a member puts on its messages do not run into each other.
func TestSuffixesAreApart(t *testing.T) {
	s := NewSuffixes("r", "a")
	if grown := string(append(s.room, "!!!!!!!!!!!!!!"...)); grown == "" || string(s.both) != `,"room":"r","from":"a"` || string(s.from) != `,"from":"a"` {
		t.Errorf("room %s, from %s, both %s", s.room, s.from, s.both)
	}
}

// Codes of close frames are told by their numbers.
func TestCloseCodeText(t *testing.T) {
	if got := CloseSlowConsumer.String(); got != "4003" {
		t.Errorf("it is %q", got)
	}
}
