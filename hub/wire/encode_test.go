package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMessages(t *testing.T) {
	for _, c := range []struct {
		name  string
		frame *Frame
		want  string
	}{
		{"joined", (&JoinedMessage{Room: "r", From: "a"}).Frame(), `{"type":"joined","room":"r","from":"a"}`},
		{"joined with all", (&JoinedMessage{Room: "r", From: "a", Name: "A", Ref: "1", ICEServers: json.RawMessage(`[]`)}).Frame(),
			`{"type":"joined","room":"r","from":"a","name":"A","ice_servers":[],"ref":"1"}`},
		{"pong", PongFrame(""), `{"type":"pong"}`},
		{"pong with ref", PongFrame("x"), `{"type":"pong","ref":"x"}`},
		{"ice", ICEFrame(json.RawMessage(`[1]`), "x"), `{"type":"ice","ice_servers":[1],"ref":"x"}`},
		{"error", ErrorFrame(&Refusal{Code: CodeNotJoined, Text: "no"}, Refused{Re: "offer", To: "b", Ref: "1"}),
			`{"type":"error","code":"not_joined","error":"no","re":"offer","to":"b","ref":"1"}`},
		{"error of something unreadable", ErrorFrame(errNotJSON, Refused{}),
			`{"type":"error","code":"bad_message","error":"the message is not one JSON object"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer c.frame.Release()
			if got := string(c.frame.Payload()); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestMembers(t *testing.T) {
	m := NewMembers("r", 0)
	m.Add([]byte(`"a"`), "")
	m.Add([]byte(`"b"`), "B\"")
	f := m.Frame(false)
	defer f.Release()
	if got, want := string(f.Payload()), `{"type":"room_members","room":"r","members":["a","b"],"names":{"b":"B\""}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The header gives the payload's length in its shortest form.
func TestFrameHeader(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 1<<16 - 1, 1 << 16, 1<<16 + 1} {
		f := newFrame(n)
		f.buf = append(f.buf, make([]byte, n)...)
		f.seal(finText)
		b := f.Bytes()
		length, header := int(b[1]), 2
		switch length {
		case 126:
			length, header = int(binary.BigEndian.Uint16(b[2:])), 4
		case 127:
			length, header = int(binary.BigEndian.Uint64(b[2:])), 10
		}
		short := n < 126 && header == 2 || n >= 126 && n < 1<<16 && header == 4 || n >= 1<<16 && header == 10
		if b[0] != finText || length != n || !short || len(b) != header+n || f.Size() != len(b) {
			t.Errorf("%d bytes: header % x, size %d", n, b[:header], f.Size())
		}
		f.Release()
	}
}

// A frame that is still held is not used for something else.
func TestFrameReferences(t *testing.T) {
	held := PongFrame("held")
	held.Retain(1)
	held.Release()
	for range 100 {
		PongFrame("other").Release()
	}
	if got := string(held.Payload()); got != `{"type":"pong","ref":"held"}` {
		t.Errorf("a held frame became %s", got)
	}
	held.Release()
}

func TestWSClose(t *testing.T) {
	f := WSClose(CloseKicked, strings.Repeat("é", 100))
	defer f.Release()
	p := f.Payload()
	if len(p) > MaxControl || binary.BigEndian.Uint16(p) != 4002 || !utf8.Valid(p[2:]) || len(p) < MaxControl-1 {
		t.Errorf("% x", f.Bytes())
	}
	if empty := WSClose(CloseNoStatus, ""); len(empty.Payload()) != 0 {
		t.Errorf("a close frame without a code has a payload: % x", empty.Payload())
	}
}

func TestNames(t *testing.T) {
	for code := NoCode + 1; int(code) < NumCodes; code++ {
		if code.String() == "" {
			t.Errorf("code %d has no name", code)
		}
	}
	server := []Type{TypeUnknown, TypeJoined, TypeRoomMembers, TypePong, TypeResumed, TypeError}
	for typ := TypeUnknown; int(typ) < NumTypes; typ++ {
		want := typ
		if slices.Contains(server, typ) {
			want = TypeUnknown
		}
		if got := ClientType(typ.String()); got != want {
			t.Errorf("ClientType(%q) = %v", typ, got)
		}
	}
}

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

// FuzzQuoted sees that what is quoted reads back as it was.
func FuzzQuoted(f *testing.F) {
	for _, seed := range []string{"", "a\"b\\c", "\x00\x1f\u2028é😀", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		quoted := AppendQuoted(nil, s)
		var back string
		if err := json.Unmarshal(quoted, &back); err != nil {
			t.Fatalf("%q: %v", quoted, err)
		}
		if want := string(bytes.ToValidUTF8([]byte(s), nil)); utf8.ValidString(s) && back != want {
			t.Errorf("%q came back as %q", s, back)
		}
	})
}
