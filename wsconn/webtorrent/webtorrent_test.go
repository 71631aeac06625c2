package webtorrent

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn"
	"github.com/parley-rtc/parley/wsconn/internal/dialecttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve serves a tracker.
func serve(t *testing.T, o Options, change func(*wsconn.Options)) (*dialecttest.Server, *Dialect) {
	t.Helper()
	h, err := hub.New(hub.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var c wsconn.Options
	if change != nil {
		change(&c)
	}
	d := New(h, o)
	return dialecttest.Over(t, h, d, c), d
}

// binary is every byte that text can have trouble with, as a string of a JSON value: the first 20
// bytes from one on.
func binary(from byte) string {
	var h hash
	for i := range h {
		h[i] = from + byte(i)
	}
	return string(appendHash(nil, h))
}

var (
	swarm = binary(0xF0) // goes on with 0x00
	other = binary('0')
	ann   = binary(0x80)
	bob   = binary(0x18)
	cat   = binary('a')
)

// say sends an announce; more follows the peer's id.
func say(c *dialecttest.Client, swarm, peer, more string) {
	c.T.Helper()
	c.Send(`{"action":"announce","info_hash":` + swarm + `,"peer_id":` + peer + more + `}`)
}

// told reads the answer to an announce.
func told(c *dialecttest.Client, swarm string, complete, incomplete int) {
	c.T.Helper()
	c.WantJSON(fmt.Sprintf(`{"action":"announce","info_hash":%s,"interval":120,"complete":%d,"incomplete":%d}`, swarm, complete, incomplete))
}

// enter dials a peer that is in the swarm.
func enter(s *dialecttest.Server, swarm, peer string) *dialecttest.Client {
	s.T.Helper()
	c := s.Dial("")
	say(c, swarm, peer, `,"event":"started","left":5`)
	c.Read()
	return c
}

func TestOffersGoToOthersAndAnswersComeBack(t *testing.T) {
	s, _ := serve(t, Options{}, nil)
	a, b := enter(s, swarm, ann), enter(s, swarm, bob)
	const id = `"\u0000\u007f\u0080ÿ\"\\/xxxxxxxxxxxxx"`
	say(b, swarm, bob, `,"left":5,"numwant":2,"offers":[{"offer":{"type":"offer","sdp":"v=0\r\n", "n": 1.50},"offer_id":`+id+`},{"offer":7}]`)
	told(b, swarm, 0, 2)
	a.Want(`{"action":"announce","offer":{"type":"offer","sdp":"v=0\r\n", "n": 1.50},"offer_id":` + id +
		`,"peer_id":` + bob + `,"info_hash":` + swarm + `}`)
	say(a, swarm, ann, `,"to_peer_id":`+bob+`,"answer":{"sdp":"x"},"offer_id":`+id)
	b.Want(`{"action":"announce","answer":{"sdp":"x"},"offer_id":` + id + `,"peer_id":` + ann + `,"info_hash":` + swarm + `}`)
	say(a, swarm, ann, "")
	told(a, swarm, 0, 2) // the answer had none, and its second offer nobody to go to
}

// Each offer goes to another peer, as long as there are any, and never to one of another swarm.
func TestOffersGoToDifferentPeers(t *testing.T) {
	s, _ := serve(t, Options{}, nil)
	stranger := enter(s, other, cat)
	var peers []*dialecttest.Client
	for i := range 6 {
		peers = append(peers, enter(s, swarm, binary(byte(20*i))))
	}
	a := enter(s, swarm, binary(150))
	say(a, swarm, binary(150), `,"offers":[{"offer":0},{"offer":1},{"offer":2},{"offer":3},{"offer":4},{"offer":5},{"offer":6}]`)
	told(a, swarm, 0, 7)
	offers := map[int]bool{}
	for i, p := range peers {
		var got struct{ Offer int }
		if err := json.Unmarshal([]byte(p.Read()), &got); err != nil {
			t.Fatal(err)
		}
		if offers[got.Offer] {
			t.Errorf("offer %d has come twice", got.Offer)
		}
		offers[got.Offer] = true
		say(p, swarm, binary(byte(20*i)), "")
		told(p, swarm, 0, 7)
	}
	if len(offers) != 6 || offers[6] {
		t.Errorf("offers %v have come", offers)
	}
	say(stranger, other, cat, "")
	told(stranger, other, 0, 1)
}

func TestOffersOfAnAnnounceAreLimited(t *testing.T) {
	s, _ := serve(t, Options{MaxOffers: 2}, nil)
	peers := []*dialecttest.Client{enter(s, swarm, ann), enter(s, swarm, bob), enter(s, swarm, cat)}
	a := enter(s, swarm, other)
	say(a, swarm, other, `,"offers":[{"offer":0},{"offer":1},{"offer":2}]`)
	told(a, swarm, 0, 4)
	came := 0
	for i, id := range []string{ann, bob, cat} {
		say(peers[i], swarm, id, "")
		if text := peers[i].Read(); strings.Contains(text, `"offer"`) {
			came++
		}
	}
	if came != 2 {
		t.Errorf("%d offers came", came)
	}
}

// The figures are those of bittorrent-tracker: peers that have all, by left or by event, and peers that have gone.
func TestPeersAreCounted(t *testing.T) {
	s, _ := serve(t, Options{}, nil)
	a, b := s.Dial(""), s.Dial("")
	for _, step := range []struct {
		from                 *dialecttest.Client
		peer, more           string
		complete, incomplete int
	}{
		{a, ann, `,"event":"started","left":10`, 0, 1},
		{a, ann, `,"event":"started","left":10`, 0, 1},
		{b, bob, `,"event":"started","left":0`, 1, 1},
		{a, ann, `,"event":"update","left":3`, 1, 1},
		{a, ann, `,"event":"completed"`, 2, 0},
		{a, ann, `,"event":"update","left":3`, 2, 0}, // who has all keeps it
		{a, ann, `,"event":"stopped"`, 1, 0},
		{a, ann, `,"event":"stopped"`, 1, 0},
		{a, ann, `,"event":"completed","left":1`, 1, 1}, // of somebody new, it is a start
		{a, ann, `,"event":null,"left":"0"`, 2, 0},
		{b, bob, `,"event":"stopped"`, 1, 0},
		{b, bob, `,"event":"paused","left":0.0`, 2, 0},
		{b, cat, `,"event":"empty"`, 2, 1}, // one connection can be several peers
		{b, cat, `,"left":-0`, 3, 0},
	} {
		say(step.from, swarm, step.peer, step.more)
		told(step.from, swarm, step.complete, step.incomplete)
	}
	b.Close()
	for text := ""; !strings.Contains(text, `"complete":1,"incomplete":0`); {
		say(a, swarm, ann, "")
		text = a.Read()
	}
}

func TestScrape(t *testing.T) {
	s, _ := serve(t, Options{}, nil)
	a := enter(s, swarm, ann)
	say(a, other, ann, `,"left":0`)
	told(a, other, 1, 0)
	c := s.Dial("")
	flags := `"flags":{"min_request_interval":600}}`
	c.Send(`{"action":"scrape","info_hash":` + swarm + `}`)
	c.WantJSON(`{"action":"scrape","files":{` + swarm + `:{"complete":0,"incomplete":1,"downloaded":0}},` + flags)
	c.Send(`{"action":"scrape","info_hash":[` + swarm + `,` + other + `,` + cat + `]}`)
	c.WantJSON(`{"action":"scrape","files":{` + swarm + `:{"complete":0,"incomplete":1,"downloaded":0},` +
		other + `:{"complete":1,"incomplete":0,"downloaded":1},` + cat + `:{"complete":0,"incomplete":0,"downloaded":0}},` + flags)
	c.Send(`{"action":"scrape","info_hash":[]}`)
	c.WantJSON(`{"action":"scrape","files":{},` + flags)
}

// A peer id that another connection has is refused: who knows it from an offer must not get what
// is for its owner.
func TestPeerIDsCannotBeTaken(t *testing.T) {
	s, _ := serve(t, Options{}, nil)
	a, b, thief := enter(s, swarm, ann), enter(s, swarm, bob), s.Dial("")
	say(thief, swarm, ann, "")
	var got map[string]any
	if err := json.Unmarshal([]byte(thief.Read()), &got); err != nil || got["failure reason"] == nil || got["action"] != "announce" {
		t.Fatal(got, err)
	}
	say(b, swarm, bob, `,"to_peer_id":`+ann+`,"answer":1`)
	a.Want(`{"action":"announce","answer":1,"peer_id":` + bob + `,"info_hash":` + swarm + `}`)
	say(thief, swarm, cat, "")
	told(thief, swarm, 0, 3)
}

func TestLimits(t *testing.T) {
	s, _ := serve(t, Options{MaxSwarms: 2, MaxPeers: 2, Interval: 1500 * 1e6}, nil)
	a := s.Dial("")
	failure := func(c *dialecttest.Client, swarm, why string) {
		t.Helper()
		c.WantJSON(fmt.Sprintf(`{"action":"announce","failure reason":%q,"info_hash":%s}`, why, swarm))
	}
	for _, peer := range []string{ann, bob} {
		say(a, swarm, peer, "")
		if text := a.Read(); !strings.Contains(text, `"interval":2}`) {
			t.Errorf("the interval is not rounded up: %s", text)
		}
	}
	say(a, other, ann, "")
	failure(a, other, "this connection is in too many rooms")
	b := s.Dial("")
	say(b, swarm, cat, "")
	failure(b, swarm, "this room is full")
	say(a, swarm, ann, `,"event":"stopped"`)
	a.Read()
	say(a, other, ann, "")
	if text := a.Read(); !strings.Contains(text, `"incomplete":1`) {
		t.Error(text)
	}
	hashes := strings.Repeat(swarm+",", maxScrape) + swarm
	b.Send(`{"action":"scrape","info_hash":[` + hashes + `]}`)
	b.WantJSON(`{"failure reason":"too many swarms in one scrape"}`)
}

// bad are messages that mean nothing, with the reason that is given.
var bad = map[string]string{
	``:                        "the message is not one JSON object",
	`announce`:                "the message is not one JSON object",
	`{`:                       "the message is not one JSON object",
	`null`:                    "the message is not one JSON object",
	`7`:                       "the message is not one JSON object",
	`[{"action":"announce"}]`: "the message is not one JSON object",
	`{"action":"announce"`:    "the message is not one JSON object",
	`{"action":"announce"}}`:  "the message is not one JSON object",
	`{}`:                      "invalid action in WS request: undefined",
	`{"action":"Announce"}`:   "invalid action in WS request: Announce",
	`{"Action":"announce"}`:   "invalid action in WS request: undefined",
	`{"action":7}`:            "invalid action in WS request: 7",
	`{"action":null}`:         "invalid action in WS request: null",
	`{"action":"connect"}`:    "invalid action in WS request: connect",
	`{"action":"` + strings.Repeat("x", 100) + `"}`:                                                     "invalid action in WS request: " + strings.Repeat("x", 64),
	`{"action":"announce"}`:                                                                             "invalid info_hash",
	`{"action":"announce","info_hash":"short","peer_id":` + ann + `}`:                                   "invalid info_hash",
	`{"action":"announce","info_hash":"123456789012345678901","peer_id":` + ann + `}`:                   "invalid info_hash",
	`{"action":"announce","info_hash":"1234567890123456789Ā","peer_id":` + ann + `}`:                    "invalid info_hash",
	`{"action":"announce","info_hash":"1234567890123456789\ud800","peer_id":` + ann + `}`:               "invalid info_hash",
	`{"action":"announce","info_hash":["12345678901234567890"],"peer_id":` + ann + `}`:                  "invalid info_hash",
	`{"action":"announce","info_hash":12345678901234567890,"peer_id":` + ann + `}`:                      "invalid info_hash",
	`{"action":"announce","info_hash":` + swarm + `}`:                                                   "invalid peer_id",
	`{"action":"announce","info_hash":` + swarm + `,"peer_id":"x"}`:                                     "invalid peer_id",
	`{"action":"announce","info_hash":` + swarm + `,"peer_id":null}`:                                    "invalid peer_id",
	`{"action":"announce","info_hash":` + swarm + `,"peer_id":{}}`:                                      "invalid peer_id",
	`{"action":"announce","info_hash":` + swarm + `,"peer_id":` + cat + `,"answer":{}}`:                 "invalid `to_peer_id` (required with `answer`)",
	`{"action":"announce","info_hash":` + swarm + `,"peer_id":` + cat + `,"answer":1,"to_peer_id":"x"}`: "invalid `to_peer_id` (required with `answer`)",
	`{"action":"scrape"}`:                                 "a scrape needs an info_hash",
	`{"action":"scrape","info_hash":null}`:                "a scrape needs an info_hash",
	`{"action":"scrape","info_hash":7}`:                   "invalid info_hash",
	`{"action":"scrape","info_hash":{}}`:                  "invalid info_hash",
	`{"action":"scrape","info_hash":""}`:                  "invalid info_hash",
	`{"action":"scrape","info_hash":[7]}`:                 "invalid info_hash",
	`{"action":"scrape","info_hash":[` + swarm + `,"x"]}`: "invalid info_hash",
}

// doors is a gate that lets in those who have the token "key".
type doors struct{ wsconn.Gate }

func (doors) Join(_ context.Context, r *wsconn.JoinRequest) (*wsconn.Admission, error) {
	if r.Token != "key" {
		return nil, &wire.Refusal{Code: wire.CodeUnauthorized, Text: "no"}
	}
	return &wsconn.Admission{}, nil
}

func TestTokensOfTheURLAreForTheGate(t *testing.T) {
	s, _ := serve(t, Options{}, func(o *wsconn.Options) { o.Gate = doors{} })
	in, out := s.Dial("/?token=key"), s.Dial("")
	say(in, swarm, ann, "")
	told(in, swarm, 0, 1)
	say(out, swarm, bob, "")
	out.WantJSON(`{"action":"announce","failure reason":"no","info_hash":` + swarm + `}`)
}

// A member of the room that speaks version 1 can't break the others.
func TestMembersThatSpeakVersion1(t *testing.T) {
	s, d := serve(t, Options{}, nil)
	a := enter(s, swarm, ann)
	h, _ := readHash([]byte(swarm))
	for _, data := range []string{`1`, `{}`, `{"offer":1}`, `{"answer":1,"offer_id":2}`} {
		if err := s.Hub.Announce(t.Context(), d.room(h), json.RawMessage(data)); err != nil {
			t.Fatal(err)
		}
	}
	say(a, swarm, ann, "")
	told(a, swarm, 0, 1)
}

func TestStats(t *testing.T) {
	s, d := serve(t, Options{}, nil)
	a := enter(s, swarm, ann)
	say(a, other, ann, `,"left":0`)
	a.Read()
	b := s.Dial("")
	say(b, other, bob, `,"left":0`)
	b.Read()
	want := `{"torrents":2,"activeTorrents":2,"peersAll":2,"peersSeederOnly":1,"peersLeecherOnly":0,` +
		`"peersSeederAndLeecher":1,"peersIPv4":2,"peersIPv6":0,"clients":{}}` + "\n"
	for _, ask := range []struct{ method, path, accept, typ, want string }{
		{"GET", "/stats.json", "", "application/json", want},
		{"GET", "/stats", "application/json", "application/json", want},
		{"GET", "/stats", "text/html", "text/html; charset=utf-8", "<h1>2 torrents (2 active)</h1>"},
		{"POST", "/stats", "", "", "only GET"},
	} {
		r := httptest.NewRequest(ask.method, ask.path, nil)
		r.Header.Set("Accept", ask.accept)
		w := httptest.NewRecorder()
		d.ServeStats(w, r)
		if body := w.Body.String(); !strings.Contains(body, ask.want) || ask.typ != "" && w.Header().Get("Content-Type") != ask.typ {
			t.Errorf("%v: %v %s", ask, w.Header(), body)
		}
		if ok := w.Code == http.StatusOK; ok != (ask.method == "GET") {
			t.Errorf("%v: %d", ask, w.Code)
		}
	}
}

// Every byte comes back as it was sent, and nothing else is a hash.
func FuzzHash(f *testing.F) {
	f.Add([]byte("12345678901234567890"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var h hash
		copy(h[:], b)
		text := appendHash(nil, h)
		got, ok := readHash(text)
		if !ok || got != h {
			t.Fatalf("%x comes back from %s as %x, %v", h, text, got, ok)
		}
		if id, ok := hashOfID([]byte(h.hex())); !ok || id != h {
			t.Fatalf("%x comes back from its id as %x, %v", h, id, ok)
		}
		var runes []rune
		if json.Unmarshal(text, new(string)) != nil {
			t.Fatalf("%s is no JSON", text)
		}
		var s string
		_ = json.Unmarshal(text, &s)
		if runes = []rune(s); len(runes) != len(h) || slices.ContainsFunc(runes, func(r rune) bool { return r > 0xFF }) {
			t.Fatalf("%s has %d characters", text, len(runes))
		}
		if json.Valid(b) {
			readHash(b) // does not panic
		}
	})
}
