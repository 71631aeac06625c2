package dialects

import (
	"fmt"
	"strings"
	"testing"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// An operator sets how many topics and swarms a connection is in, and how large those are.
func TestLimitsOfTopicsAndSwarms(t *testing.T) {
	d := parleyd.Start(t, "--y-webrtc", "/y", "--y-webrtc-topics", "2", "--y-webrtc-clients", "2", "--webtorrent", "/tracker",
		"--webtorrent-swarms", "2", "--webtorrent-peers", "2", "--webtorrent-offers", "1", "--webtorrent-interval", "77s")
	y := open(t, "ws://"+d.Address+"/y", 3, yMark)
	y.play(step{from: 0, text: `{"type":"subscribe","topics":["a","b","c"]}`})
	y.play(step{from: 1, text: `{"type":"subscribe","topics":["a"]}`})
	y.play(step{from: 2, text: `{"type":"subscribe","topics":["a","c"]}`})
	for topic, clients := range map[string]int{"a": 2, "b": 1, "c": 1} {
		from := map[string]int{"c": 2}[topic]
		heard := y.play(step{from: from, text: `{"type":"publish","topic":"` + topic + `"}`})
		for i := range heard {
			want := 0
			if i == from || topic == "a" && i == 1 {
				want = 1
			}
			if len(heard[i]) != want || want == 1 && !strings.Contains(heard[i][0], fmt.Sprintf(`"clients":%d,`, clients)) {
				t.Errorf("topic %s: connection %d hears %s", topic, i, heard[i])
			}
		}
	}

	const offers = `,"left":1,"offers":[{"offer":1,"offer_id":"o"},{"offer":2,"offer_id":"p"}]`
	w := open(t, "ws://"+d.Address+"/tracker", 3, trackerMark)
	answer := func(from int, text, want string) {
		t.Helper()
		if heard := w.play(step{from: from, text: text}); len(heard[from]) != 1 || !strings.Contains(heard[from][0], want) {
			t.Errorf("%s: connection %d hears %s", text, from, heard[from])
		}
	}
	answer(0, says(swarmA, peerA, `,"left":1`), `"interval":77`)
	answer(0, says(swarmB, peerA, `,"left":1`), `"interval":77`)
	answer(0, says(strings.Repeat("C", 20), peerA, `,"left":1`), "too many rooms")
	if heard := w.play(step{from: 1, text: says(swarmA, peerB, offers)}); len(heard[0]) != 1 {
		t.Errorf("%d offers are passed on", len(heard[0]))
	}
	answer(2, says(swarmA, peerC, `,"left":1`), "full")
}

// The operator says how long messages wait for absent peers: those sent last expire first.
func TestTheTimeOfMessagesForAbsentPeers(t *testing.T) {
	first := make(chan string, 2)
	for _, expire := range []string{"30s", "1s"} {
		a := place{t, parleyd.Start(t, "--peerjs", "/", "--peerjs-expire", expire).Address, ""}.enter("a", "1")
		a.send(`{"type":"OFFER","dst":"b","payload":1}`)
		go func() {
			if _, text, err := a.conn.Read(t.Context()); err == nil {
				first <- expire + " " + string(text)
			}
		}()
	}
	if got := <-first; !strings.HasPrefix(got, "1s ") || !strings.Contains(got, "EXPIRE") {
		t.Error(got)
	}
}
