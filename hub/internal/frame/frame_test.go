package frame

import (
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/parley-rtc/parley/hub/wire"
)

func TestMessages(t *testing.T) {
	for _, c := range []struct {
		name  string
		frame *Frame
		want  string
	}{
		{"joined", Text((&wire.Joined{Room: "r", From: "a"}).Text()), `{"type":"joined","room":"r","from":"a","limits":{"message_bytes":0}}`},
		{"joined with all", Text((&wire.Joined{Room: "r", From: "a", Name: "A", Ref: "1", ICEServers: json.RawMessage(`[]`)}).Text()),
			`{"type":"joined","room":"r","from":"a","name":"A","ice_servers":[],"limits":{"message_bytes":0},"ref":"1"}`},
		{"pong", Text(wire.PongText("")), `{"type":"pong"}`},
		{"pong with ref", Text(wire.PongText("x")), `{"type":"pong","ref":"x"}`},
		{"ice", Text(wire.ICEText(json.RawMessage(`[1]`), "x")), `{"type":"ice","ice_servers":[1],"ref":"x"}`},
		{"error", Error(&wire.Refusal{Code: wire.CodeNotJoined, Text: "no"}, Refused{Re: "offer", To: "b", Ref: "1"}),
			`{"type":"error","code":"not_joined","error":"no","re":"offer","to":"b","ref":"1"}`},
		{"error of something unreadable", Error(&wire.Refusal{Code: wire.CodeBadMessage, Text: "no JSON"}, Refused{}),
			`{"type":"error","code":"bad_message","error":"no JSON"}`},
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
	m.Add([]byte(`"a"`), "", nil)
	m.Add([]byte(`"b"`), "B\"", nil)
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
	held := Text(wire.PongText("held"))
	held.Retain(1)
	held.Release()
	for range 100 {
		Text(wire.PongText("other")).Release()
	}
	if got := string(held.Payload()); got != `{"type":"pong","ref":"held"}` {
		t.Errorf("a held frame became %s", got)
	}
	held.Release()
}

func TestWSClose(t *testing.T) {
	f := Close(wire.CloseKicked, strings.Repeat("é", 100))
	defer f.Release()
	p := f.Payload()
	if len(p) > wire.MaxControl || binary.BigEndian.Uint16(p) != 4002 || !utf8.Valid(p[2:]) || len(p) < wire.MaxControl-1 {
		t.Errorf("% x", f.Bytes())
	}
	if empty := Close(wire.CloseNoStatus, ""); len(empty.Payload()) != 0 {
		t.Errorf("a close frame without a code has a payload: % x", empty.Payload())
	}
}

// Why a message was refused is for the log alone.
func TestReasonIsNotSent(t *testing.T) {
	f := Error(&wire.Refusal{Code: wire.CodeForbidden, Text: "no", Reason: "the rule of room r"}, Refused{})
	defer f.Release()
	if got := string(f.Payload()); got != `{"type":"error","code":"forbidden","error":"no"}` {
		t.Errorf("sent %s", got)
	}
}
