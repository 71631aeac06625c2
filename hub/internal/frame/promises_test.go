package frame

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
)

// A frame's header is as RFC 6455 has it, 5.2: the length in its shortest form.
func TestFrameHeaderBytes(t *testing.T) {
	for _, c := range []struct {
		size   int
		header []byte
	}{
		{0, []byte{0x81, 0}},
		{1, []byte{0x81, 1}},
		{125, []byte{0x81, 125}},
		{126, []byte{0x81, 126, 0, 126}},
		{127, []byte{0x81, 126, 0, 127}},
		{256, []byte{0x81, 126, 1, 0}},
		{65535, []byte{0x81, 126, 0xFF, 0xFF}},
		{65536, []byte{0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
		{65537, []byte{0x81, 127, 0, 0, 0, 0, 0, 1, 0, 1}},
	} {
		text := bytes.Repeat([]byte("x"), c.size)
		f := Text(text)
		if got := f.Bytes(); !bytes.Equal(got, append(c.header, text...)) {
			t.Errorf("%d bytes: header % x, want % x", c.size, got[:min(len(got), 10)], c.header)
		}
		if f.Size() != len(c.header)+c.size {
			t.Errorf("%d bytes: the size is %d", c.size, f.Size())
		}
		if !bytes.Equal(f.Payload(), text) {
			t.Errorf("%d bytes: the payload has %d", c.size, len(f.Payload()))
		}
		f.Release()
	}
}

// The reason of a close frame is cut to 123 bytes, between characters.
func TestWSCloseReason(t *testing.T) {
	for _, c := range []struct{ name, reason, want string }{
		{"none", "", ""},
		{"short", "bye", "bye"},
		{"as long as can be", strings.Repeat("x", 123), strings.Repeat("x", 123)},
		{"a byte too long", strings.Repeat("x", 124), strings.Repeat("x", 123)},
		{"two bytes a character", strings.Repeat("é", 62), strings.Repeat("é", 61)},
		{"two bytes each, to the end", "x" + strings.Repeat("é", 61), "x" + strings.Repeat("é", 61)},
		{"three bytes a character", strings.Repeat("€", 42), strings.Repeat("€", 41)},
		{"four bytes a character", strings.Repeat("😀", 31), strings.Repeat("😀", 30)},
	} {
		f := Close(wire.CloseKicked, c.reason)
		p := f.Payload()
		if code := binary.BigEndian.Uint16(p); code != 4002 || string(p[2:]) != c.want {
			t.Errorf("%s: code %d, reason %q", c.name, code, p[2:])
		}
		if b := f.Bytes(); b[0] != 0x88 || int(b[1]) != len(p) {
			t.Errorf("%s: header % x", c.name, b[:2])
		}
		f.Release()
	}
	f := Close(wire.CloseNoStatus, "never sent")
	defer f.Release()
	if got := f.Bytes(); !bytes.Equal(got, []byte{0x88, 0}) {
		t.Errorf("a close frame without a code: % x", got)
	}
}

// Pings and pongs carry what they were given.
func TestControlFrames(t *testing.T) {
	payload := bytes.Repeat([]byte("p"), wire.MaxControl)
	for _, c := range []struct {
		f             *Frame
		first         byte
		ping, message bool
	}{
		{Ping(payload), 0x89, true, false},
		{Pong(payload), 0x8A, false, false},
		{Text(payload), 0x81, false, true},
	} {
		if b := c.f.Bytes(); b[0] != c.first || b[1] != 125 || !bytes.Equal(b[2:], payload) {
			t.Errorf("% x…", b[:4])
		}
		if c.f.IsPing() != c.ping || c.f.IsMessage() != c.message {
			t.Errorf("% x: ping %v, message %v", c.first, c.f.IsPing(), c.f.IsMessage())
		}
		c.f.Release()
	}
}

// A frame gets the smallest buffer that holds its longest header and its payload,
// and there is no pool for those above 8 KiB.
func TestBufferClasses(t *testing.T) {
	for _, c := range []struct{ size, capacity, class int }{
		{0, 128, 0}, {118, 128, 0}, {119, 256, 1}, {246, 256, 1}, {247, 512, 2}, {502, 512, 2}, {503, 2048, 3}, {2038, 2048, 3}, {2039, 8192, 4}, {8182, 8192, 4}, {8183, 8193, -1},
		{100000, 100010, -1},
	} {
		f := newFrame(c.size)
		if cap(f.buf) < c.capacity || c.class >= 0 && cap(f.buf) != c.capacity || int(f.class) != c.class || len(f.buf) != headerRoom {
			t.Errorf("%d bytes: class %d, %d of %d bytes", c.size, f.class, len(f.buf), cap(f.buf))
		}
		f.Release()
	}
}

// reused reports whether one of the next frames of f's class is f itself. Pools
// may forget what they were given, so it is tried more than once.
func reused(t *testing.T, make func() *Frame) bool {
	t.Helper()
	for range 100 {
		f := make()
		class := f.class
		f.Release()
		if class < 0 {
			class = 0
		}
		if again, _ := pools[class].Get().(*Frame); again == f {
			return true
		}
	}
	return false
}

// A buffer goes back to the pool of its class, unless it outgrew that, so that no
// pool fills with large ones.
func TestBuffersThatOutgrewTheirClass(t *testing.T) {
	if !reused(t, func() *Frame { return newFrame(10) }) {
		t.Error("a small buffer is not used again")
	}
	if !reused(t, func() *Frame { return newFrame(8000) }) {
		t.Error("a buffer of the last class is not used again")
	}
	if reused(t, func() *Frame {
		f := newFrame(10)
		f.buf = append(f.buf, make([]byte, 1000)...)
		return f
	}) {
		t.Error("a buffer that outgrew its class is used again")
	}
	if reused(t, func() *Frame { return newFrame(100000) }) {
		t.Error("a buffer above all classes is used again")
	}
}

// Only the last holder gives a frame back, and it keeps nothing of its message.
func TestLastReleaseGivesBack(t *testing.T) {
	inPool := func(f *Frame) bool {
		for range 50 {
			if again, _ := pools[f.class].Get().(*Frame); again == f {
				return true
			}
		}
		return false
	}
	given := false
	for range 100 {
		f := newFrame(10)
		f.Retain(2)
		f.Born, f.Origin = time.Unix(1, 0), Origin{Key: 1, Seq: 2}
		for holders := 2; holders > 0; holders-- {
			f.Release()
			if inPool(f) {
				t.Fatalf("with %d holders left it is in the pool", holders)
			}
		}
		if f.Release(); inPool(f) {
			given = true
			if !f.Born.IsZero() || f.Origin != (Origin{}) {
				t.Errorf("it keeps %v and %v", f.Born, f.Origin)
			}
		}
	}
	if !given {
		t.Error("the last release gives it to no pool")
	}
}

// A frame from the pool begins anew: nothing of the one before is in it.
func TestFrameFromPoolIsEmpty(t *testing.T) {
	for range 100 {
		Text([]byte("the message of another room")).Release()
		f := Text([]byte("x"))
		if got := string(f.Payload()); got != "x" {
			t.Fatalf("a new frame holds %q", got)
		}
		f.Release()
	}
}

// Every message is one JSON object with the fields that PROTOCOL lists, in one
// order, without those that are empty.
func TestEveryMessage(t *testing.T) {
	long := strings.Repeat("x", 3000)
	for _, c := range []struct {
		name  string
		frame *Frame
		want  string
	}{
		{"joined with all", Text((&wire.Joined{Room: "r", From: "a", Name: "A", Session: "s", Ref: "1", Rights: []string{"send", "moderate"}, ICEServers: json.RawMessage(`[{}]`)}).Text()),
			`{"type":"joined","room":"r","from":"a","name":"A","session":"s","ice_servers":[{}],"rights":["send","moderate"],"limits":{"message_bytes":0},"ref":"1"}`},
		{"joined without rights", Text((&wire.Joined{Room: "r", From: "a", Rights: []string{}}).Text()), `{"type":"joined","room":"r","from":"a","rights":[],"limits":{"message_bytes":0}}`},
		{"joined, long", Text((&wire.Joined{Room: "r", From: long}).Text()), `{"type":"joined","room":"r","from":"` + long + `","limits":{"message_bytes":0}}`},
		{"ice without servers", Text(wire.ICEText(nil, "")), `{"type":"ice"}`},
		{"resumed", (&Resumed{Room: "r", From: "a", Missed: 12, Handled: 3, MessageBytes: 100, Ref: "1"}).Frame(), `{"type":"resumed","room":"r","from":"a","missed":12,"handled":3,"limits":{"message_bytes":100},"ref":"1"}`},
		{"resumed, nothing missed", (&Resumed{Room: "r", From: "a"}).Frame(), `{"type":"resumed","room":"r","from":"a","missed":0,"handled":0,"limits":{"message_bytes":0}}`},
		{"token", Text(wire.TokenText(time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600)), "1")), `{"type":"token","expires":"2026-01-02T02:04:05Z","ref":"1"}`},
		{"announcement", Announcement("r", json.RawMessage(`{"a": 1}`)), `{"type":"message","data":{"a": 1},"room":"r"}`},
		{"error with all", Error(&wire.Refusal{Code: wire.CodeUnauthorized, Text: "no", Needs: "token"}, Refused{Re: "join", To: "b", Ref: "1"}),
			`{"type":"error","code":"unauthorized","error":"no","needs":"token","re":"join","to":"b","ref":"1"}`},
		{"error, long", Error(&wire.Refusal{Code: wire.CodeForbidden, Text: "no"}, Refused{Re: long}), `{"type":"error","code":"forbidden","error":"no","re":"` + long + `"}`},
		{"members, none", NewMembers("r", 0).Frame(false), `{"type":"room_members","room":"r","members":[]}`},
		{"members, locked", members("a", "", "b", "B", "c", "C").Frame(true),
			`{"type":"room_members","room":"r","members":["a","b","c"],"names":{"b":"B","c":"C"},"locked":true}`},
	} {
		if got := string(c.frame.Payload()); got != c.want {
			t.Errorf("%s: got %.200s, want %.200s", c.name, got, c.want)
		}
		if !json.Valid(c.frame.Payload()) {
			t.Errorf("%s: no JSON", c.name)
		}
		c.frame.Release()
	}
}

// members begins a list of pairs of ids and nicknames.
func members(pairs ...string) *Members {
	m := NewMembers("r", 0)
	for i := 0; i < len(pairs); i += 2 {
		m.Add(wire.AppendQuoted(nil, pairs[i]), pairs[i+1], nil)
	}
	return m
}

// Messages of an expected size are written into the buffer that they got: none
// outgrows its class and is lost for the pool.
func TestMessagesFitTheirBuffers(t *testing.T) {
	id := strings.Repeat("i", wire.MaxID)
	room := strings.Repeat("r", wire.MaxRoom)
	for _, c := range []struct {
		name string
		make func(n int) *Frame
	}{
		{"joined", func(n int) *Frame {
			return Text((&wire.Joined{Room: room, From: id, Ref: id, ICEServers: json.RawMessage(`["` + strings.Repeat("x", n) + `"]`)}).Text())
		}},
		{"ice", func(n int) *Frame { return Text(wire.ICEText(json.RawMessage(`["`+strings.Repeat("x", n)+`"]`), id)) }},
		{"resumed", func(n int) *Frame {
			return (&Resumed{Room: strings.Repeat("r", n), From: id, Missed: math.MaxInt32, Handled: math.MaxInt64, MessageBytes: math.MaxInt32, Ref: id}).Frame()
		}},
		{"pong", func(n int) *Frame { return Text(wire.PongText(strings.Repeat("r", n))) }},
		{"token", func(n int) *Frame { return Text(wire.TokenText(time.Unix(0, 0), strings.Repeat("r", n))) }},
		{"announcement", func(n int) *Frame {
			return Announcement(room, json.RawMessage(`"`+strings.Repeat("x", n)+`"`))
		}},
		{"error", func(n int) *Frame {
			return Error(&wire.Refusal{Code: wire.CodeTargetNotFound, Text: strings.Repeat("x", n)}, Refused{Re: "candidate", To: id, Ref: id})
		}},
		{"members", func(n int) *Frame {
			m := NewMembers(room, n*(wire.MaxID+3))
			for range n {
				m.Add(wire.AppendQuoted(nil, id), "", nil)
			}
			return m.Frame(true)
		}},
		{"forwarded", func(n int) *Frame {
			var e wire.Envelope
			if r := e.Parse(fmt.Appendf(nil, `{"type":"message","data":"%s"}`, strings.Repeat("x", n))); r != nil {
				t.Fatal(r)
			}
			own := wire.NewSuffixes(room, id)
			return Forward(&e, &own)
		}},
	} {
		for n := range 600 {
			f := c.make(n)
			if f.class >= 0 && cap(f.buf) != classes[f.class] {
				t.Errorf("%s of %d: %d bytes in a buffer of %d", c.name, n, len(f.buf), classes[f.class])
				break
			}
			f.Release()
		}
	}
}

// The error tells which message it answers, for those who route it.
func TestErrorKeepsItsOrigin(t *testing.T) {
	f := Error(&wire.Refusal{Code: wire.CodeBadMessage}, Refused{Origin: Origin{Key: 7, Seq: 9}})
	defer f.Release()
	if f.Origin != (Origin{Key: 7, Seq: 9}) {
		t.Errorf("its origin is %v", f.Origin)
	}
}
