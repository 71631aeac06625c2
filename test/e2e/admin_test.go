package e2e

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/nodes"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// slow holds answers for which the test has set window.late, a pattern of their addresses,
// until it calls window.release, and fails those for which it has set window.lost.
const slow = `
window.releases = [];
window.release = () => { for (const go of window.releases.splice(0)) go(); };
const realFetch = window.fetch.bind(window);
window.fetch = async (url, options = {}) => {
  if (window.lost?.test(url)) throw new TypeError("Failed to fetch");
  const answer = await realFetch(url, { ...options, signal: undefined });
  if (window.late?.test(url)) await new Promise(go => window.releases.push(go));
  return answer;
};`

// With many rooms all of them can be reached and linked; the page holds what one works on while
// answers are lost, and shows only the answer to the last question.
func TestAdminHolds(t *testing.T) {
	d := parleyd.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*parleyd.Patience)
	defer cancel()
	for i := range 103 {
		conn, _, err := websocket.Dial(ctx, "ws://"+d.Address+"/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		if err := conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":"join","room":"room %03d","from":"member %03d"}`, i, i)); err != nil {
			t.Fatal(err)
		}
	}
	b := browser.Start(t)
	admin := open(t, b, "admin", "http://"+d.Admin+"/#room=room%20042", slow, `Object.defineProperty(window, "sessionStorage", { get() { throw new DOMException("", "SecurityError"); } });`)
	admin.until("the room of the link is open beside the list", shows("#members", "member 042")+` &&
  document.querySelector("#detail").getBoundingClientRect().top < innerHeight && document.querySelector("#detail").getBoundingClientRect().left > 300`)
	admin.until("the first hundred", shows("#rooms-more", "1–100 of 103"))
	admin.eval(`window.row = document.querySelector("#rooms tr"); window.button = row.querySelector("button"); window.age = row.lastElementChild.textContent`)
	admin.until("time goes on", `document.querySelector("#rooms tr").lastElementChild.textContent !== window.age`)
	admin.until("what is the same stays as it is", `document.querySelector("#rooms button") === window.button`)
	admin.click("#next")
	admin.until("the last three", shows("#rooms-more", "101–103 of 103")+` && document.querySelectorAll("#rooms tr").length === 3`)
	admin.eval(`document.querySelector("#rooms button").click()`)
	admin.until("a room has a link, and the focus", `location.hash.startsWith("#room=room") && document.activeElement.id === "detail"`)
	admin.click("#previous")
	admin.until("the first hundred again", shows("#rooms-more", "1–100"))

	admin.eval(`document.querySelector("#words").value = "half a sen"; window.lost = /status/`)
	admin.until("the loss is told", shows("#error", "does not answer"))
	admin.until("the room is still there, and what was typed", `document.querySelector("#detail").checkVisibility() && document.querySelector("#words").value === "half a sen"`)
	admin.eval(`window.lost = undefined`)
	admin.until("the server is back", `document.querySelector("#error").hidden`)

	// The first room that is opened has the focus too, on a phone as well, before it is answered who is there.
	phone := open(t, b, "phone", "http://"+d.Admin+"/", slow)
	phone.do(chromedp.EmulateViewport(390, 844))
	phone.until("the rooms", `document.querySelectorAll("#rooms tr").length === 100`)
	phone.eval(`window.late = /room\?name/; document.querySelector("#rooms button").click()`)
	phone.until("it is seen", `document.activeElement.id === "detail" && document.querySelector("#detail").getBoundingClientRect().top < innerHeight && `+shows("#detail-title", "room"))
	phone.fits("admin on a phone")

	type_ := func(text string) {
		admin.eval(fmt.Sprintf(`{ const i = document.querySelector("#contains"); i.value = %q; i.dispatchEvent(new Event("input")); }`, text))
	}
	admin.eval(`window.late = /contains=room\+00&|contains=room\+00$/`)
	type_("room 00")
	admin.until("the answer is late", `window.releases.length > 0`)
	type_("room 007")
	admin.until("the answer to the last question", `document.querySelectorAll("#rooms tr").length === 1`)
	admin.eval(`window.release(); new Promise(done => setTimeout(done, 100))`)
	admin.until("an older one changes nothing", `document.querySelectorAll("#rooms tr").length === 1`)

	admin.eval(`{ const i = document.querySelector("#member"); i.value = "member 099"; i.dispatchEvent(new Event("input")); }`)
	admin.until("a member is found", `document.querySelectorAll("#found-members tr").length === 1 && `+shows("#found-members", "room 099"))
	admin.eval(`document.querySelector("#found-members button").click()`)
	admin.until("its room is shown", shows("#detail-title", "room 099"))
	admin.until("figures have axes and units", `document.querySelector("#figures .top").textContent && document.querySelector("#figures .axis").innerText.includes("min") && /B$/.test(document.querySelectorAll("#figures strong")[4].textContent)`)
	admin.eval(`document.querySelector("#dismiss").click()`)
	admin.until("it is closed at once, and the focus is in the list", `document.querySelector("#detail").hidden && ["contains", ""].includes(document.activeElement.id) && document.activeElement !== document.body`)
	admin.shoot("admin-many")
	admin.fits("admin")
}

// In a cluster the page shows the nodes.
func TestAdminOfACluster(t *testing.T) {
	c := nodes.Start(t, 3)
	admin := open(t, browser.Start(t), "admin", "http://"+c.Daemons[0].Admin+"/")
	admin.until("three nodes, of which one is this", `document.querySelectorAll("#nodes tr").length === 3 && `+shows("#nodes", "this one"))
	admin.shoot("admin-cluster")
}
