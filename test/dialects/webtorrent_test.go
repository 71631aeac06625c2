package dialects

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/nodes"
	"github.com/parley-rtc/parley/test/internal/npm"
	"github.com/parley-rtc/parley/test/internal/parleyd"
	"github.com/parley-rtc/parley/test/internal/process"
)

// The tracker's package, client and server, and the client that pages use.
var (
	trackerPackages = []string{"--ignore-scripts", "bittorrent-tracker@10.0.12"}
	torrentPackages = []string{"--ignore-scripts", "webtorrent@3.0.21"}
)

// tracker runs the tracker of npm and returns its URL.
func tracker(t *testing.T) (url string) {
	t.Helper()
	url, _ = startTracker(t)
	return url
}

func startTracker(t *testing.T) (url string, cmd *exec.Cmd) {
	t.Helper()
	port := process.FreePort(t)
	script := filepath.Join(npm.Install(t, trackerPackages...), "node_modules", "bittorrent-tracker", "bin", "cmd.js")
	cmd = exec.Command("node", script, "--ws", "--http-hostname", "127.0.0.1", "--port", port)
	process.Start(t, cmd)
	process.AwaitTCP(t, "127.0.0.1:"+port)
	return "ws://127.0.0.1:" + port, cmd
}

// trackerMark asks for a swarm that nobody is in.
func trackerMark() (string, func(string) bool) {
	return `{"action":"scrape","info_hash":"mark mark mark mark "}`, func(message string) bool { return strings.Contains(message, "mark mark mark mark ") }
}

// says is an announce of a peer in a swarm, both given by what is in their strings.
func says(swarm, peer, more string) string {
	return fmt.Sprintf(`{"action":"announce","info_hash":"%s","peer_id":"%s"%s}`, swarm, peer, more)
}

// Strings of 20 characters, one for each byte.
const (
	swarmA = `\u0000\u0001\u007f\u0080ÿé\"\\\/\n4567890123`
	swarmB = `BBBBBBBBBBBBBBBBBBBB`
	peerA  = `-WW0091-aaaaaaaaaa\u0000ÿ`
	peerB  = `-WW0091-bbbbbbbbbbbb`
	peerC  = `ccccccccccccccccccc\u00ad`
)

// The tracker of npm and parleyd answer alike.
func TestWebTorrentBesideItsTracker(t *testing.T) {
	d := parleyd.Start(t, "--webtorrent", "/tracker")
	original, ours := open(t, tracker(t), 3, trackerMark), open(t, "ws://"+d.Address+"/tracker", 3, trackerMark)
	const words = "the words of JavaScript's own errors are not repeated"
	notOne := map[int][]string{2: {`{"failure reason":"the message is not one JSON object"}`}}
	compare(t, original, ours, []step{
		{from: 0, text: says(swarmA, peerA, `,"event":"started","left":100,"uploaded":0,"downloaded":0,"numwant":5,"offers":[{"offer":{"type":"offer","sdp":"x"},"offer_id":"o"}]`)},
		{from: 1, text: says(swarmA, peerB, `,"event":"started","left":0`)},
		{from: 1, text: says(swarmA, peerB, `,"numwant":3,"offers":[{"offer":{"type":"offer","sdp":"v=0\r\n…"},"offer_id":"\u0000ÿ34567890123456789\"","more":1},{"offer":2,"offer_id":"o2"}]`)},
		{from: 0, text: says(swarmA, peerA, `,"to_peer_id":"`+peerB+`","answer":{"type":"answer","sdp":"y"},"offer_id":"\u0000ÿ34567890123456789\""`)},
		{from: 0, text: says(swarmA, peerA, `,"to_peer_id":"`+peerC+`","answer":{"type":"answer"}`)},
		{from: 0, text: says(swarmA, peerA, `,"to_peer_id":"`+peerB+`","answer":1`)},
		{from: 0, text: says(swarmA, peerA, `,"to_peer_id":"`+peerB+`","answer":0`)},
		{from: 0, text: says(swarmA, peerA, `,"event":"update","left":"50"`)},
		{from: 0, text: says(swarmA, peerA, `,"event":"completed"`)},
		{from: 0, text: says(swarmA, peerA, `,"event":"completed","left":7`)},
		{from: 0, text: says(swarmA, peerA, `,"event":"paused"`)},
		{from: 0, text: says(swarmA, peerA, `,"event":""`)},
		{from: 0, text: says(swarmA, peerA, `,"event":"empty"`)},
		{from: 0, text: says(swarmA, peerA, `,"event":"begun"`)},
		{from: 0, text: says(swarmA, peerA, `,"event":7`)},
		{from: 0, text: says(swarmB, peerA, `,"event":"completed","left":5`)},
		{from: 0, text: says(swarmB, peerA, `,"left":0`)},
		{from: 1, text: says(swarmB, peerB, `,"offers":[]`)},
		{from: 1, text: says(swarmB, peerB, `,"offers":[{"offer_id":"o"}]`),
			ours: map[int][]string{1: {`{"action":"announce","info_hash":"` + swarmB + `","interval":120,"complete":1,"incomplete":1}`}},
			why:  "what has no offer is none"},
		{from: 2, text: `{"action":"scrape","info_hash":"` + swarmA + `"}`},
		{from: 2, text: `{"action":"scrape","info_hash":["` + swarmA + `","` + swarmB + `","` + peerC + `"]}`},
		{from: 2, text: `{"action":"scrape","info_hash":[]}`},
		{from: 2, text: `{"action":"scrape","info_hash":"short"}`},
		{from: 2, text: `{"action":"scrape","info_hash":["` + swarmA + `",7]}`},
		{from: 2, text: `{"action":"scrape"}`, ours: map[int][]string{2: {`{"failure reason":"a scrape needs an info_hash"}`}},
			why: "which swarms there are is not for everybody"},
		{from: 2, text: says("short", peerC, "")},
		{from: 2, text: says(swarmA, "short", "")},
		{from: 2, text: says(swarmA, peerC, `,"answer":{}`)},
		{from: 2, text: says(swarmA, peerC, `,"answer":{},"to_peer_id":"x"`)},
		{from: 2, text: `{"action":"announce","peer_id":"` + peerC + `"}`},
		{from: 2, text: `{"action":"connect"}`},
		{from: 2, text: `{"action":7}`},
		{from: 2, text: `{"action":null}`},
		{from: 2, text: `{}`},
		{from: 2, text: `[]`, ours: notOne, why: words},
		{from: 2, text: `{`, ours: notOne, why: words},
		{from: 2, text: `7`, ours: notOne, why: words},
		{from: 2, text: `null`, ours: notOne, why: words},
		{from: 2, text: says(swarmA, peerA, ""),
			ours: map[int][]string{2: {`{"action":"announce","info_hash":"` + swarmA + `","failure reason":"another member of this room has this id"}`}},
			why:  "an id belongs to the connection that has it; the tracker lets others speak in its name"},
		{from: 1, text: says(swarmA, peerB, `,"event":"stopped"`)},
		{from: 1, text: says(swarmA, peerB, `,"event":"stopped"`)},
		{from: 0, text: says(swarmA, peerA, `,"offers":[{"offer":1}]`)},
		{from: 1, text: says(swarmA, peerB, `,"left":0`)},
		{from: 1, text: says(swarmA, peerC, `,"left":3`)}, // one connection, two peers
		{from: 0, text: says(swarmA, peerA, `,"to_peer_id":"`+peerC+`","answer":1`)},
		{from: 0, text: says(swarmA, peerA, `,"event":"stopped","offers":[{"offer":1}]`),
			ours: map[int][]string{0: {`{"action":"announce","info_hash":"` + swarmA + `","interval":120,"complete":1,"incomplete":1}`}},
			why:  "who has left makes no offers"},
	})
}

// One message that is not as expected ends the tracker for everybody; here the next one counts.
func TestWhatKillsTheTracker(t *testing.T) {
	d := parleyd.Start(t, "--webtorrent", "/tracker")
	for _, text := range []string{says(swarmA, peerA, `,"offers":[null]`), `{"action":"scrape","info_hash":7}`} {
		original, ours := open(t, tracker(t), 2, trackerMark), open(t, "ws://"+d.Address+"/tracker", 2, trackerMark)
		for _, s := range []*side{original, ours} {
			s.play(step{from: 1, text: says(swarmA, peerB, "")})
		}
		original.write(0, text)
		original.dies(1)
		ours.play(step{text: text})
	}
}

// The figures of the tracker's page are the same, but for the names of the peers' programs.
func TestFiguresOfTheTracker(t *testing.T) {
	d := parleyd.Start(t, "--webtorrent", "/tracker")
	url := tracker(t)
	figures := func(s *side, address, path string) map[string]any {
		s.play(step{from: 0, text: says(swarmA, peerA, `,"left":0`)})
		s.play(step{from: 0, text: says(swarmB, peerA, `,"left":1`)})
		s.play(step{from: 1, text: says(swarmB, peerB, `,"left":1`)})
		code, body := parleyd.Get(t, address, path+"/stats.json")
		var v map[string]any
		if err := json.Unmarshal([]byte(body), &v); err != nil || code != 200 {
			t.Fatalf("%d %s: %v", code, body, err)
		}
		if code, page := parleyd.Get(t, address, path+"/stats"); code != 200 || !strings.Contains(page, "<h2>Connected Peers: 2</h2>") {
			t.Errorf("%d %s", code, page)
		}
		delete(v, "clients")
		return v
	}
	want := figures(open(t, url, 2, trackerMark), strings.TrimPrefix(url, "ws://"), "")
	got := figures(open(t, "ws://"+d.Address+"/tracker", 2, trackerMark), d.Address, "/tracker")
	if !reflect.DeepEqual(got, want) || want["peersAll"] != 2.0 {
		t.Errorf("parleyd has %v, the tracker %v", got, want)
	}
}

// swarmsSpan sees that swarms span the nodes of a cluster.
func swarmsSpan(t *testing.T, c *nodes.Cluster) {
	t.Helper()
	var sides []*side
	for _, d := range c.Daemons[:2] {
		sides = append(sides, open(t, "ws://"+d.Address+"/tracker", 1, trackerMark))
	}
	for i := range 8 {
		swarm := strings.Repeat(string(rune('a'+i)), 20)
		sides[0].write(0, says(swarm, peerA, `,"left":0`))
		sides[0].next(0) // what the owner says may come behind a mark
		sides[1].write(0, says(swarm, peerB, `,"left":1`))
		counted := sides[1].next(0)
		if want := canonical(t, `{"action":"announce","info_hash":"`+swarm+`","interval":120,"complete":1,"incomplete":1}`); counted != want {
			t.Errorf("swarm %s: %s", swarm, counted)
		}
		sides[1].write(0, says(swarm, peerB, `,"offers":[{"offer":1,"offer_id":"o"}]`))
		if got := sides[0].next(0); !strings.Contains(got, `"offer":1`) {
			t.Errorf("swarm %s: %s", swarm, got)
		}
		sides[0].write(0, says(swarm, peerA, `,"to_peer_id":"`+peerB+`","answer":2,"offer_id":"o"`))
		got := sides[1].next(0) + sides[1].next(0) // the owner's, and the answer
		if !strings.Contains(got, `"complete":1`) || !strings.Contains(got, `"answer":2`) {
			t.Errorf("swarm %s: %s", swarm, got)
		}
		var scraped struct {
			Files map[string]struct{ Complete, Incomplete int }
		}
		answer := sides[1].play(step{text: `{"action":"scrape","info_hash":"` + swarm + `"}`})
		if err := json.Unmarshal([]byte(answer[0][0]), &scraped); err != nil || scraped.Files[swarm].Complete != 1 || scraped.Files[swarm].Incomplete != 1 {
			t.Errorf("swarm %s: %s", swarm, answer)
		}
	}
}

// A file that one page seeds is downloaded by another, which knows only what is announced.
func TestWebTorrentDownloads(t *testing.T) {
	d := parleyd.Start(t, "--webtorrent", "/tracker", "--allow-origin", "*")
	script := file(t, npm.Install(t, torrentPackages...), "webtorrent", "dist", "webtorrent.min.js")
	page := site(t, map[string]string{"/webtorrent.js": script})
	b := browser.Start(t)
	open := `
		const { default: WebTorrent } = await import("/webtorrent.js");
		globalThis.client = new WebTorrent({ dht: false, lsd: false, utp: false, tracker: { rtcConfig: { iceServers: [] } } });
		globalThis.problems = [];
		client.on("error", (error) => problems.push(String(error)));
		const announce = ["ws://` + d.Address + `/tracker"];`
	seeder, leecher := window(t, b, page), window(t, b, page)
	do(t, seeder, open+`
		const bytes = new Uint8Array(300_000).map((_, i) => i * 31 % 251);
		const torrent = await new Promise((done) => client.seed(new File([bytes], "data.bin"), { announce }, done));
		globalThis.magnet = torrent.magnetURI;`)
	magnet := value(t, seeder, `magnet`)
	do(t, leecher, open+`
		client.add(`+quoted(magnet)+`, { announce }, (torrent) => {
			torrent.on("done", async () => {
				const got = new Uint8Array(await torrent.files[0].arrayBuffer());
				globalThis.good = got.length === 300_000 && got.every((byte, i) => byte === i * 31 % 251);
			});
		});`)
	browser.Until(t, leecher, "the file is there", `globalThis.good`)
	if problems := value(t, leecher, `problems.join()`); problems != "" {
		t.Error(problems)
	}
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// The tracker's own client, in Node, announces, hears of others, scrapes and stops.
func TestTrackerClientInNode(t *testing.T) {
	d := parleyd.Start(t, "--webtorrent", "/tracker")
	cmd := exec.Command("node", "--no-warnings", "testdata/tracker-client.mjs")
	cmd.Env = append(os.Environ(), "TRACKER=ws://"+d.Address+"/tracker",
		"PACKAGE="+filepath.Join(npm.Install(t, trackerPackages...), "node_modules", "bittorrent-tracker", "index.js"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
