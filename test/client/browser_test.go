package client

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// do runs the body of an async function in a window.
func do(t *testing.T, ctx context.Context, script string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 2*parleyd.Patience)
	defer cancel()
	// An error that it throws comes back as text.
	wrapped := `(async () => { try {` + script + `; return ""; } catch (error) { return String(error?.stack ?? error); } })()`
	if said, err := chromedp.Run(ctx, chromedp.Evaluate[string](wrapped, chromedp.EvalAwaitPromise)); err != nil || said != "" {
		t.Fatalf("%s\n%v", said, err)
	}
}

func window(t *testing.T, b context.Context, url string) context.Context {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// helpers stand before each script: two rooms of one page, in a room of their own.
const helpers = `
const { join } = await import("/client/parley.js");
const url = new URL("/ws", location.href.replace(/^http/, "ws"));
const name = Math.random().toString(36);
const assert = (is, what) => { if (!is) throw new Error(what); };
const equal = (got, want, what) => assert(JSON.stringify(got) === JSON.stringify(want), what + ": " + JSON.stringify(got));
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const eventually = async (what, is) => { for (let i = 0; !is(); i++) { assert(i < 600, "not in time: " + what); await sleep(50); } };
const ann = await join(url, name, { id: "ann", name: "Ann" }), bob = await join(url, name, { id: "bob", name: "Bob" });
const meet = async () => {
  ann.meet(); bob.meet();
  await eventually("both are connected", () => [ann, bob].every((room) => [...room.peers.values()].some((peer) => peer.direct)));
  return { toBob: ann.peers.get("bob"), toAnn: bob.peers.get("ann") };
};
const live = (stream, kind) => stream.getTracks().filter((track) => track.kind === kind && track.readyState === "live").length;
`

// scripts are promises of the module that only a browser can keep.
var scripts = map[string]string{
	"cameras are opened and closed as they are turned on and off": `
const { toAnn } = await meet();
const stream = await ann.publish();
await eventually("bob has the stream", () => toAnn.streams[0]?.getTracks().length === 2);
equal([live(stream, "audio"), live(stream, "video")], [1, 1], "open");
const [camera] = stream.getVideoTracks();
await ann.mute("video");
equal([camera.readyState, live(stream, "video"), ann.local.muted.video], ["ended", 0, true], "the camera is off");
await eventually("bob sees that", () => toAnn.streams[0]?.getVideoTracks().filter((track) => !track.muted).length !== 1 || toAnn.streams[0].getTracks().length === 1);
await ann.mute("video", false);
equal(live(stream, "video"), 1, "the camera is on again");
await eventually("bob sees it", () => toAnn.streams[0]?.getTracks().length === 2);
await ann.mute();
equal([stream.getAudioTracks()[0].enabled, live(stream, "audio")], [false, 1], "muted");
ann.leave();
equal([live(stream, "audio"), live(stream, "video")], [0, 0], "closed");`,

	"a device that can't be had leaves the one before, and choices come one after the other": `
const { toAnn } = await meet();
const stream = await ann.publish();
await eventually("bob has the stream", () => toAnn.streams[0]?.getTracks().length === 2);
let code = "";
await ann.switchDevice("video", "nonsense").catch((error) => { code = error.name; });
equal([code, live(stream, "video"), stream.getVideoTracks().length], ["OverconstrainedError", 1, 1], "the one before");
const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
await Promise.all([ann.switchDevice("video", cameras[0].deviceId), ann.switchDevice("video", ""), ann.switchDevice("video", cameras[0].deviceId)]);
const sent = ann.peers.get("bob").connection.getSenders().map(({ track }) => track).filter((track) => track?.kind === "video");
equal([stream.getVideoTracks().length, sent.length], [1, 1], "one camera");
assert(sent[0] === stream.getVideoTracks()[0] && sent[0].readyState === "live", "it is sent");
sent[0].dispatchEvent(new Event("ended")); // pulled out
await eventually("the default takes its place", () => stream.getVideoTracks()[0] !== sent[0] && live(stream, "video") === 1);`,

	"the screen is shared once at a time, and stops when the room is left": `
const { toAnn } = await meet();
const canvas = document.createElementNS("http://www.w3.org/1999/xhtml", "canvas");
canvas.getContext("2d").fillRect(0, 0, 1, 1);
let captures = 0, pick;
navigator.mediaDevices.getDisplayMedia = async () => { captures++; await new Promise((done) => { pick = done; }); return canvas.captureStream(5); };
const [one, two] = [ann.shareScreen(), ann.shareScreen()];
await eventually("it is asked for", () => pick);
pick();
const { stream, stop } = await one;
equal([captures, (await two).stream === stream, ann.local.screen === stream], [1, true, true], "one capture");
await eventually("bob sees it", () => toAnn.streams.length === 1);
stop();
equal([live(stream, "video"), ann.local.screen], [0, undefined], "stopped");
await eventually("bob sees it go", () => toAnn.streams.length === 0);
pick = undefined;
const late = ann.shareScreen();
await eventually("it is asked for again", () => pick);
const captured = canvas.captureStream(5);
canvas.captureStream = () => captured;
ann.leave();
pick();
equal(await late.catch(({ code }) => code), "closed", "left while the picker was open");
equal(live(captured, "video"), 0, "nothing is captured");`,

	"after fifty switches of screen and camera the descriptions are as long as before": `
const { toBob, toAnn } = await meet();
const picture = () => { const c = document.createElementNS("http://www.w3.org/1999/xhtml", "canvas"); c.getContext("2d").fillRect(0, 0, 1, 1); return c.captureStream(1); };
await ann.publish();
await eventually("bob has the camera", () => toAnn.streams.length === 1);
const share = async () => {
  const stream = picture();
  ann.addTrack(stream.getTracks()[0], stream);
  await eventually("the screen is there", () => toAnn.streams.length === 2);
  ann.removeTrack(stream.getTracks()[0]);
  await eventually("the screen is gone", () => toAnn.streams.length === 1);
};
await share();
const sdp = () => toBob.connection.localDescription.sdp;
const lines = sdp().match(/^m=/gm).length;
for (let i = 0; i < 50; i++) await (i % 5 ? share() : (ann.mute("video"), ann.mute("video", false)));
equal(sdp().match(/^m=/gm).length, lines, "lines");`,

	"encodings hold for tracks to come, and race with no negotiation": `
const warned = [];
console.warn = (...words) => warned.push(words.join(" "));
const { toBob, toAnn } = await meet();
const picture = () => { const c = document.createElementNS("http://www.w3.org/1999/xhtml", "canvas"); c.getContext("2d").fillRect(0, 0, 1, 1); const s = c.captureStream(1); return [s.getTracks()[0], s]; };
const one = picture(), two = picture();
toBob.encode("video", { maxBitrate: 100_000 });
toBob.encode(two[0], { maxBitrate: 200_000 });
ann.addTrack(...one);
for (let i = 0; i < 20; i++) toBob.encode("video", { maxBitrate: 100_000 + i });
ann.addTrack(...two);
for (let i = 0; i < 20; i++) { toBob.encode("video", { maxBitrate: 110_000 + i }); toBob.restartIce(); }
await eventually("both are there", () => toAnn.streams.length === 2);
await toBob.encode("video", { maxBitrate: 150_000 });
const rate = (track) => toBob.connection.getSenders().find((sender) => sender.track === track).getParameters().encodings[0].maxBitrate;
await eventually("they are in effect: " + [rate(one[0]), rate(two[0])], () => rate(one[0]) === 150_000 && rate(two[0]) === 200_000);
equal(warned, [], "warnings");`,

	"both that call at the same moment keep their connection, and see the same code": `
const toBob = ann.call("bob"), toAnn = bob.call("ann");
const before = [toBob.connection, toAnn.connection];
await eventually("both are connected", () => toBob.direct && toAnn.direct);
assert(toBob.connection === before[0] && toAnn.connection === before[1] && ann.peers.get("bob") === toBob, "another connection");
const [one, two] = await Promise.all([toBob.verification(), toAnn.verification()]);
equal(one, two, "the code");`,
}

// The parts that need a browser work in Chromium.
func TestBrowser(t *testing.T) {
	d := parleyd.Start(t)
	b := browser.Start(t)
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			w := window(t, b, fmt.Sprintf("http://%s/client/parley.js", d.Address))
			do(t, w, helpers+script)
		})
	}
}
