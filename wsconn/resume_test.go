package wsconn

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

func resuming(_ *Options, o *hub.Options) { o.ResumeWindow = time.Minute }

// joinResumable enters a room and returns the session; joined and the members have
// been read.
func (c *raw) joinResumable(room, id string) string {
	c.t.Helper()
	c.write(masked(0x81, fmt.Sprintf(`{"type":"join","room":%q,"from":%q,"resumable":true}`, room, id)))
	_, text, err := c.frame()
	if err != nil {
		c.t.Fatal(err)
	}
	var joined struct{ Type, Session string }
	if err := json.Unmarshal([]byte(text), &joined); err != nil || joined.Type != "joined" || len(joined.Session) < 22 {
		c.t.Fatalf("%s: %v", text, err)
	}
	if _, text, err = c.frame(); err != nil || !strings.Contains(text, `"room_members"`) {
		c.t.Fatalf("%s: %v", text, err)
	}
	return joined.Session
}

func (c *raw) resume(session string, received int) {
	c.t.Helper()
	c.write(masked(0x81, fmt.Sprintf(`{"type":"resume","session":%q,"received":%d,"ref":"again"}`, session, received)))
}

func forwardedTo(id string, n int) string {
	return fmt.Sprintf(`{"type":"message","to":%q,"data":%d,"room":"r","from":"b"}`, id, n)
}

// A connection breaks with messages under way: on the next one the first thing is
// resumed, and then comes what was missed.
func TestResume(t *testing.T) {
	s := newServer(t, resuming)
	first := s.dialRaw("")
	session := first.joinResumable("r", "a")
	b := s.dial()
	b.join("r", "b")
	for n := range 3 {
		b.send(`{"type":"message","to":"a","data":%d}`, n)
	}
	_, _, err := first.frame() // the members, with b: three messages have been received now
	if err != nil {
		t.Fatal(err)
	}
	_ = first.conn.Close()
	for s.hub.Stats().Suspended.Load() == 0 {
		b.send(`{"type":"ping"}`)
		b.want(`{"type":"pong"}`) // and no change of the room
	}
	b.send(`{"type":"message","to":"a","data":3}`)
	b.send(`{"type":"ping"}`)
	b.want(`{"type":"pong"}`) // the hub has had the message

	second := s.dialRaw("")
	second.resume(session, 3)
	second.want(0x81, `{"type":"resumed","room":"r","from":"a","missed":4,"handled":1,"limits":{"message_bytes":65536},"ref":"again"}`)
	for n := range 4 {
		second.want(0x81, forwardedTo("a", n))
	}
	second.want(0x81, `{"type":"room_members","room":"r","members":["a","b"]}`)
	second.write(masked(0x81, `{"type":"message","to":"b","data":"back"}`))
	b.want(`{"type":"message","to":"b","data":"back","room":"r","from":"a"}`)

	third := s.dialRaw("") // while the second is alive
	third.resume(session, 9)
	third.want(0x81, `{"type":"resumed","room":"r","from":"a","missed":0,"handled":2,"limits":{"message_bytes":65536},"ref":"again"}`)
	second.wantClose(wire.CloseReplaced)
	third.want(0x81, `{"type":"room_members","room":"r","members":["a","b"]}`)

	third.write(masked(0x88, "\x03\xe8")) // a close frame ends it all at once
	b.want(`{"type":"room_members","room":"r","members":["b"]}`)
	fourth := s.dialRaw("")
	fourth.resume(session, 10)
	if _, text, err := fourth.frame(); err != nil || !strings.Contains(text, "session_expired") {
		t.Errorf("after the end: %s %v", text, err)
	}
}

// A client that answers pings has what came before: it is no longer kept.
func TestPongsFreeHistory(t *testing.T) {
	s := newServer(t, func(o *Options, ho *hub.Options) {
		resuming(o, ho)
		o.PingInterval, o.Rate, o.QueueBytes = time.Hour, -1, 100_000
	})
	a, b := s.dialRaw(""), s.dial()
	session := a.joinResumable("r", "a")
	b.join("r", "b")
	text := strings.Repeat("x", 1000)
	received := 2
	pinged := false
	for n := 0; n < 50 || !pinged; n++ {
		b.send(`{"type":"message","to":"a","data":%q}`, text)
		first, payload, err := a.frame()
		for ; err == nil && !strings.Contains(payload, text); first, payload, err = a.frame() {
			if first == 0x89 { // asked for early, since so much is kept
				pinged = true
				a.write(masked(0x8A, payload))
			} else {
				received++
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		received++
	}
	// Messages that it has acknowledged are gone: it can't have them again.
	a.write(masked(0x81, `{"type":"ping"}`))
	for _, payload, err := a.frame(); payload != `{"type":"pong"}`; _, payload, err = a.frame() {
		if err != nil {
			t.Fatal(err)
		}
	}
	old := s.dialRaw("")
	old.resume(session, 2)
	if _, text, err := old.frame(); err != nil || !strings.Contains(text, "session_expired") {
		t.Errorf("messages that were acknowledged: %.100s %v", text, err)
	}
}
