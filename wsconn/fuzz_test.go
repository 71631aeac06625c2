package wsconn

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub"
)

// bystander is a member of a room in which somebody else sends anything. It reads
// what comes and answers nothing.
type bystander struct {
	conn net.Conn
	text chan string
}

func newBystander(h *Handler, id string) *bystander {
	ours, theirs := net.Pipe()
	b := &bystander{conn: ours, text: make(chan string, 1000)}
	h.start(theirs, nil, netip.Addr{})
	c := &raw{conn: ours, r: bufio.NewReader(ours)}
	go func() {
		defer close(b.text)
		for {
			first, payload, err := c.frame()
			if err != nil {
				return
			}
			if first == 0x81 {
				b.text <- payload
			}
		}
	}()
	_, _ = io.WriteString(ours, masked(0x81, `{"type":"join","room":"r","from":"`+id+`"}`))
	return b
}

// FuzzConnection sends any bytes into a connection of a member: the server goes
// on, and a bystander of the same room gets only whole messages that name their
// sender once and truly.
func FuzzConnection(f *testing.F) {
	join := masked(0x81, `{"type":"join","room":"r","from":"x","resumable":true}`)
	for _, seed := range []string{
		masked(0x81, `{"type":"message","data":{"a":[1,2,{"from":"z"}]}}`),
		masked(0x81, `{"type":"message","data":1,"FROM":"bystander","Room":"s"}`) + masked(0x89, "x"),
		masked(0x81, `{"type":"offer","to":"bystander","sdp":"v=0"}`) + masked(0x81, `{"type":"leave"}`),
		masked(0x01, `{"type":"rename",`) + masked(0x80, `"name":"X"}`) + masked(0x88, "\x03\xe8"),
		masked(0x81, `{"type":"resume","session":"AAAA","received":1}`) + masked(0x82, "x"),
		masked(0x81, `{"type":"leave"}`) + join + masked(0x81, `{"type":"message","to":"x","data":null}`),
		"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		h := newHub(t, hub.Options{ResumeWindow: time.Millisecond})
		defer h.Close()
		handler := newHandler(t, h, Options{MaxMessageBytes: 4096, Rate: 1000, Burst: 1000})
		b := newBystander(handler, "bystander")
		ours, theirs := net.Pipe()
		handler.start(theirs, nil, netip.Addr{})
		go func() { _, _ = io.Copy(io.Discard, ours) }()
		_, _ = io.WriteString(ours, join)
		_, _ = ours.Write(stream)
		_ = ours.Close()

		_, _ = io.WriteString(b.conn, masked(0x81, `{"type":"ping","ref":"still here"}`))
		for text := range b.text {
			checkText(t, text)
			if strings.Contains(text, `"still here"`) && strings.HasPrefix(text, `{"type":"pong"`) {
				break
			}
		}
		_ = b.conn.Close()
		if err := handler.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// checkText holds a message to a bystander against what such a message can be.
func checkText(t *testing.T, text string) {
	var careless, m struct{ Type, From, Room string }
	if err := json.Unmarshal([]byte(text), &careless); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	m = careless
	switch m.Type {
	case "offer", "answer", "candidate", "hangup", "message":
		if m.From == "" || m.From == "bystander" || m.Room != "r" {
			t.Fatalf("a message from %q in %q: %s", m.From, m.Room, text)
		}
	}
}
