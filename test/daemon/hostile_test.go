package daemon

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// hostile is something that no good client sends, and what must come back: an HTTP
// status ("400"), a close code ("close 1002") or an error code ("bad_message").
type hostile struct{ name, send, want string }

const upgradeHead = "GET /ws HTTP/1.1\r\nHost: parley\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"

// upgrade makes a handshake with other or further lines.
func upgrade(lines ...string) string {
	head := []string{
		"GET /ws HTTP/1.1", "Host: parley", "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		replaced := false
		for i := range head {
			if strings.HasPrefix(head[i], name+":") || i == 0 && !strings.Contains(line, ":") {
				head[i], replaced = line, true
				if value == "" && strings.Contains(line, ":") {
					head[i] = "X-Nothing: x"
				}
				break
			}
		}
		if !replaced {
			head = append(head, line)
		}
	}
	return strings.Join(head, "\r\n") + "\r\n\r\n"
}

// handshakes and other requests, on a fresh connection.
var hostileHTTP = []hostile{
	{"no version", upgrade("Sec-WebSocket-Version:"), "400"},
	{"old version", upgrade("Sec-WebSocket-Version: 8"), "400"},
	{"version of the future", upgrade("Sec-WebSocket-Version: 14"), "400"},
	{"no key", upgrade("Sec-WebSocket-Key:"), "400"},
	{"empty key", upgrade("Sec-WebSocket-Key: "), "400"},
	{"key too short", upgrade("Sec-WebSocket-Key: AAAA"), "400"},
	{"key not base64", upgrade("Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!=="), "400"},
	{"two keys", upgrade("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), "400"},
	{"no upgrade", upgrade("Upgrade:"), "426"},
	{"upgrade to something else", upgrade("Upgrade: h2c"), "426"},
	{"no connection", upgrade("Connection:"), "426"},
	{"connection closed", upgrade("Connection: close"), "426"},
	{"other origin", upgrade("Origin: https://evil.test"), "403"},
	{"null origin", upgrade("Origin: null"), "403"},
	{"origin with the host as a user", upgrade("Origin: https://parley@evil.test"), "403"},
	{"origin with the host in front", upgrade("Origin: https://parley.evil.test"), "403"},
	{"origin that is no URL", upgrade("Origin: ://"), "403"},
	{"POST", upgrade("POST /ws HTTP/1.1"), "405"},
	{"HTTP/1.0", upgrade("GET /ws HTTP/1.0"), "426"},
	{"path below", upgrade("GET /ws/x HTTP/1.1"), "404"},
	{"path in capitals", upgrade("GET /WS HTTP/1.1"), "404"},
	{"no host", "GET /ws HTTP/1.1\r\nConnection: Upgrade\r\n\r\n", "400"},
	{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
	{"no method", "\r\n\r\n\r\n", "400"},
	{"binary", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"},
	{"version nonsense", "GET / HTTP/9.9\r\nHost: x\r\n\r\n", "505"},
	{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"},
	{"header without a colon", "GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", "400"},
	{"header with a space in its name", "GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n", "400"},
	{"header with a NUL", "GET / HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n", "400"},
	{"header larger than taken", "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", "431"},
	{"path larger than taken", "GET /" + strings.Repeat("x", 64<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", "431"},
	{"two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "400"},
	{"negative length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "400"},
	{"unknown transfer coding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x\r\n\r\n", "501"},
	{"bad path", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
	{"path not UTF-8", "GET /\x8b HTTP/1.1\r\nHost: x\r\n\r\n", "404"},
	{"way out of the folder", "GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", "307"},
	{"way out of the folder, escaped", "GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", "404"},
	{"folder", "GET /page/ HTTP/1.1\r\nHost: x\r\n\r\n", "404"},
	{"POST to the page", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nxx", "405"},
	{"TRACE", "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", "405"},
	{"CONNECT", "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n", "404"},
	{"POST to health", "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "405"},
	{"metrics", "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "404"},
	{"profiles", "GET /debug/pprof/heap HTTP/1.1\r\nHost: x\r\n\r\n", "404"},
	{"log level", "PUT /log/level HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", "405"},
}

// text makes a client's frame of text.
func text(payload string) string { return clientFrame(0x81, payload) }

func clientFrame(first byte, payload string) string {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	mask := [4]byte{0xA1, 0xB2, 0xC3, 0xD4}
	b = append(b, mask[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i%4])
	}
	return string(b)
}

// frames and bytes on a connection that has joined.
var hostileFrames = []hostile{
	{"binary", clientFrame(0x82, "x"), "close 1003"},
	{"empty binary", clientFrame(0x82, ""), "close 1003"},
	{"binary in fragments", clientFrame(0x02, "x"), "close 1003"},
	{"not masked", "\x81\x02{}", "close 1002"},
	{"control not masked", "\x89\x00", "close 1002"},
	{"RSV1", clientFrame(0xC1, "{}"), "close 1002"},
	{"RSV2", clientFrame(0xA1, "{}"), "close 1002"},
	{"RSV3", clientFrame(0x91, "{}"), "close 1002"},
	{"opcode 3", clientFrame(0x83, ""), "close 1002"},
	{"opcode 7", clientFrame(0x87, ""), "close 1002"},
	{"opcode 11", clientFrame(0x8B, ""), "close 1002"},
	{"opcode 15", clientFrame(0x8F, ""), "close 1002"},
	{"continuation of nothing", clientFrame(0x80, "x"), "close 1002"},
	{"open continuation of nothing", clientFrame(0x00, "x"), "close 1002"},
	{"text inside a message", clientFrame(0x01, "{") + text("{}"), "close 1002"},
	{"binary inside a message", clientFrame(0x01, "{") + clientFrame(0x82, "{}"), "close 1003"},
	{"ping in fragments", clientFrame(0x09, "x"), "close 1002"},
	{"close in fragments", clientFrame(0x08, ""), "close 1002"},
	{"ping of 126 bytes", clientFrame(0x89, strings.Repeat("x", 126)), "close 1002"},
	{"pong of 70,000 bytes", clientFrame(0x8A, strings.Repeat("x", 70000)), "close 1002"},
	{"short length in the long form", "\x81\xfe\x00\x7d\x00\x00\x00\x00", "close 1002"},
	{"short length in the longest form", "\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x00\x00", "close 1002"},
	{"length with the top bit", "\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "close 1002"},
	{"message of 2^63-1 bytes", "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", "close 1009"},
	{"message over the limit", text(strings.Repeat(" ", 65537)), "close 1009"},
	{"message over the limit in fragments", clientFrame(0x01, strings.Repeat(" ", 40000)) + clientFrame(0x80, strings.Repeat(" ", 40000)), "close 1009"},
	{"close of one byte", clientFrame(0x88, "x"), "close 1002"},
	{"close 0", clientFrame(0x88, "\x00\x00"), "close 1002"},
	{"close 999", clientFrame(0x88, "\x03\xe7"), "close 1002"},
	{"close 1004", clientFrame(0x88, "\x03\xec"), "close 1002"},
	{"close 1005", clientFrame(0x88, "\x03\xed"), "close 1002"},
	{"close 1006", clientFrame(0x88, "\x03\xee"), "close 1002"},
	{"close 1015", clientFrame(0x88, "\x03\xf7"), "close 1002"},
	{"close 2999", clientFrame(0x88, "\x0b\xb7"), "close 1002"},
	{"close 5000", clientFrame(0x88, "\x13\x88"), "close 1002"},
	{"close reason not UTF-8", clientFrame(0x88, "\x03\xe8\xc0"), "close 1007"},
	{"HTTP on an open connection", upgradeHead, "close 1002"},

	{"a lone continuation byte", text("\"\x80\""), "close 1007"},
	{"an overlong slash", text("\"\xc0\xaf\""), "close 1007"},
	{"an overlong NUL", text("\"\xc0\x80\""), "close 1007"},
	{"a surrogate", text("\"\xed\xa0\x80\""), "close 1007"},
	{"past the last character", text("\"\xf4\x90\x80\x80\""), "close 1007"},
	{"five bytes", text("\"\xf8\x88\x80\x80\x80\""), "close 1007"},
	{"cut character", text("\"\xe2\x82"), "close 1007"},
	{"byte that is never UTF-8", text("\xff"), "close 1007"},
	{"UTF-16", text("\xff\xfe{\x00}\x00"), "close 1007"},
}

// messages of a member.
var hostileMessages = []hostile{
	{"nothing", ``, "bad_message"},
	{"space", `   `, "bad_message"},
	{"array", `[{"type":"ping"}]`, "bad_message"},
	{"string", `"ping"`, "bad_message"},
	{"number", `1`, "bad_message"},
	{"null", `null`, "bad_message"},
	{"cut", `{"type":"ping"`, "bad_message"},
	{"behind it", `{"type":"ping"} x`, "bad_message"},
	{"two", `{"type":"ping"}{"type":"ping"}`, "bad_message"},
	{"comma", `{"type":"ping",}`, "bad_message"},
	{"single quotes", `{'type':'ping'}`, "bad_message"},
	{"comment", `{"type":"ping"} // x`, "bad_message"},
	{"NaN", `{"type":"ping","x":NaN}`, "bad_message"},
	{"Infinity", `{"type":"ping","x":Infinity}`, "bad_message"},
	{"hex", `{"type":"ping","x":0x10}`, "bad_message"},
	{"leading zero", `{"type":"ping","x":007}`, "bad_message"},
	{"bad escape", `{"type":"ping","x":"\a"}`, "bad_message"},
	{"raw line break in a string", "{\"type\":\"ping\",\"x\":\"\n\"}", "bad_message"},
	{"raw NUL", "{\"type\":\"ping\",\"x\":\"\x00\"}", "bad_message"},
	{"byte order mark", "\ufeff{\"type\":\"ping\"}", "bad_message"},
	{"too deep", `{"type":"ping","x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, "bad_message"},
	{"too deep and not closed", `{"type":"ping","x":` + strings.Repeat(`{"x":`, 10000), "bad_message"},
	{"type twice", `{"type":"ping","type":"leave"}`, "bad_message"},
	{"from twice", `{"type":"offer","to":"b","sdp":1,"from":"a","from":"b"}`, "bad_message"},
	{"from twice, escaped", `{"type":"offer","to":"b","sdp":1,"from":"a","\u0066rom":"b"}`, "bad_message"},
	{"unknown twice", `{"type":"ping","x":1,"x":2}`, "bad_message"},
	{"no type", `{}`, "bad_message"},
	{"type in capitals", `{"TYPE":"ping"}`, "bad_message"},
	{"type a number", `{"type":7}`, "bad_message"},
	{"to a number", `{"type":"offer","to":7,"sdp":1}`, "bad_message"},
	{"to null", `{"type":"message","to":null,"data":1}`, "bad_message"},
	{"ref too long", `{"type":"ping","ref":"` + strings.Repeat("x", 65) + `"}`, "bad_message"},
	{"offer to nobody", `{"type":"offer","sdp":1}`, "bad_message"},
	{"offer of nothing", `{"type":"offer","to":"b"}`, "bad_message"},
	{"candidate of nothing", `{"type":"candidate","to":"b"}`, "bad_message"},
	{"message of nothing", `{"type":"message"}`, "bad_message"},
	{"rename to nothing", `{"type":"rename"}`, "bad_message"},
	{"resume of nothing", `{"type":"resume"}`, "bad_message"},
	{"unknown type", `{"type":"__proto__"}`, "unknown_type"},
	{"type of the server", `{"type":"room_members","members":["x"]}`, "unknown_type"},
	{"type with a NUL", `{"type":"ping\u0000"}`, "unknown_type"},
	{"join again", `{"type":"join","room":"other"}`, "already_joined"},
	{"join of a bad room", `{"type":"join","room":"a\u0007b"}`, "invalid_room"},
	{"join under a bad id", `{"type":"join","room":"r","from":"\u202e"}`, "invalid_id"},
	{"join under a bad name", `{"type":"join","room":"r","name":"\u2066x"}`, "invalid_name"},
	{"bad nickname", `{"type":"rename","name":"\t"}`, "invalid_name"},
	{"nickname too long", `{"type":"rename","name":"` + strings.Repeat("ü", 33) + `"}`, "invalid_name"},
	{"other's id", `{"type":"message","data":1,"from":"bystander"}`, "forbidden"},
	{"other's room", `{"type":"message","data":1,"room":"s"}`, "forbidden"},
	{"kick without the right", `{"type":"kick","to":"bystander"}`, "forbidden"},
	{"lock without the right", `{"type":"lock"}`, "forbidden"},
	{"unlock without the right", `{"type":"unlock"}`, "forbidden"},
	{"nobody there", `{"type":"offer","to":"nobody","sdp":1}`, "target_not_found"},
	{"id too long", `{"type":"offer","to":"` + strings.Repeat("x", 65) + `","sdp":1}`, "target_not_found"},
	{"resume while joined", `{"type":"resume","session":"x","received":0}`, "already_joined"},
	{"no ICE servers here", `{"type":"ice"}`, "unavailable"},
}

// messages of a client in no room.
var hostileStrangers = []hostile{
	{"offer", `{"type":"offer","to":"bystander","sdp":1}`, "not_joined"},
	{"message to all", `{"type":"message","data":1}`, "not_joined"},
	{"rename", `{"type":"rename","name":"x"}`, "not_joined"},
	{"taken id", `{"type":"join","room":"r","from":"bystander"}`, "duplicate_id"},
	{"made-up session", `{"type":"resume","session":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","received":1}`, "session_expired"},
	{"session that is none", `{"type":"resume","session":"","received":1}`, "session_expired"},
	{"kick", `{"type":"kick","to":"bystander"}`, "not_joined"},
}

// Whatever comes gets the answer that it deserves; a bystander notices nothing,
// and nothing stays behind.
func TestHostile(t *testing.T) {
	d := parleyd.Start(t, "--resume-window", "100ms")
	by := connect(t, d)
	by.join("r", "bystander")
	join := text(`{"type":"join","room":"hostile"}`)
	n := 0
	for _, part := range []struct {
		name string
		rows []hostile
		run  func(c *hostileConn, h hostile) string
	}{
		{"http", hostileHTTP, func(c *hostileConn, h hostile) string { return c.status(h.send) }},
		{"frames", hostileFrames, func(c *hostileConn, h hostile) string {
			c.status(upgrade())
			return c.answer(join + h.send)
		}},
		{"messages", hostileMessages, func(c *hostileConn, h hostile) string {
			c.status(upgrade())
			return c.answer(join + text(h.send))
		}},
		{"strangers", hostileStrangers, func(c *hostileConn, h hostile) string {
			c.status(upgrade())
			return c.answer(text(h.send))
		}},
	} {
		for _, h := range part.rows {
			n++
			t.Run(part.name+"/"+h.name, func(t *testing.T) {
				conn, err := net.Dial("tcp", d.Address)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(parleyd.Patience))
				c := &hostileConn{t, conn, bufio.NewReader(conn)}
				if got := part.run(c, h); got != h.want {
					t.Errorf("got %q, want %q", got, h.want)
				}
			})
		}
	}
	if n < 120 {
		t.Errorf("the corpus has %d inputs", n)
	}
	by.send(`{"type":"ping"}`)
	if m := by.next(); m.Type != "pong" {
		t.Errorf("the bystander got %+v", m)
	}
	for connections := ""; connections != "1"; { // all that came has gone again
		_, body := parleyd.Get(t, d.Admin, "/metrics")
		_, rest, _ := strings.Cut(body, "\nparley_connections ")
		connections, _, _ = strings.Cut(rest, "\n")
	}
	for i, line := range d.Lines() {
		if line == nil {
			t.Errorf("not a log line: %s", d.Texts()[i])
		}
	}
}

// hostileConn is a connection on which anything is sent.
type hostileConn struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func (c *hostileConn) write(s string) {
	// The server may have closed already: what it says is read all the same.
	_, _ = io.WriteString(c.conn, s)
}

// status sends a request and returns the answer's status.
func (c *hostileConn) status(request string) string {
	c.t.Helper()
	c.write(request)
	line, err := c.r.ReadString('\n')
	if err != nil {
		return "no answer: " + err.Error()
	}
	_, rest, _ := strings.Cut(line, " ")
	status, _, _ := strings.Cut(rest, " ")
	for strings.TrimSpace(line) != "" && err == nil {
		line, err = c.r.ReadString('\n')
	}
	return strings.TrimSpace(status)
}

// answer sends frames and returns the first error or the close code.
func (c *hostileConn) answer(frames string) string {
	c.write(frames)
	for {
		var head [2]byte
		if _, err := io.ReadFull(c.r, head[:]); err != nil {
			return "no answer: " + err.Error()
		}
		n := int(head[1])
		if n == 126 {
			var long [2]byte
			_, _ = io.ReadFull(c.r, long[:])
			n = int(binary.BigEndian.Uint16(long[:]))
		}
		payload := make([]byte, n)
		if _, err := io.ReadFull(c.r, payload); err != nil {
			return "no answer: " + err.Error()
		}
		if head[0] == 0x88 && n >= 2 {
			return fmt.Sprint("close ", binary.BigEndian.Uint16(payload))
		}
		var m message
		if json.Unmarshal(payload, &m) == nil && m.Type == "error" {
			return m.Code
		}
	}
}
