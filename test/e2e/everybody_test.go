package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/npm"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// axeVersion is the release of axe-core, which knows the rules of WCAG.
const axeVersion = "4.14.1"

// accessible has axe look at the page as it is: nothing may be wrong.
func (w *window) accessible(axe, state string) {
	w.t.Helper()
	var found string
	if w.value(`typeof window.axe`, &found); found == "undefined" {
		w.eval(axe)
	}
	w.value(`(async () => {
  const { violations } = await axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] });
  return JSON.stringify(violations.map(v => [v.id, v.help, v.nodes.map(n => [n.html.slice(0, 200), n.failureSummary])]), null, 1);
})()`, &found)
	if found != "[]" {
		w.t.Errorf("%s: %s", state, found)
	}
}

// In each state, in the light and in the dark, in all languages and on a phone's width, axe finds
// nothing, and nothing is wider than the window.
func TestAccessible(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(npm.Install(t, "axe-core@"+axeVersion), "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	axe := string(text)
	d := parleyd.Start(t)
	all := meeting(t, d.Address, "Ann", "Bob")
	ann := all[0]
	ann.sees(1)
	lobby := open(t, ann.browser, "Cid", "http://"+d.Address+"/#garden", broken("NotAllowedError"))
	lobby.until("the problem is told", `!document.querySelector("#problem").hidden`)
	for _, look := range []struct {
		name, scheme, language string
		width                  int64
	}{{"light", "light", "en", 1280}, {"dark", "dark", "zh", 1280}, {"phone", "light", "zh", 390}, {"dark phone", "dark", "en", 390}, {"right to left", "light", "ar", 390}} {
		for _, w := range []*window{ann, lobby} {
			call(w, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}}})
			w.do(chromedp.EmulateViewport(look.width, 844))
			w.eval(fmt.Sprintf(`{ const l = document.querySelector("#language"); l.value = %q; l.dispatchEvent(new Event("change")); }`, look.language))
		}
		lobby.accessible(axe, look.name+", lobby")
		lobby.fits(look.name + ", lobby")
		lobby.shoot("lobby-" + look.name)
		for _, panel := range []string{"people", "chat", "advanced", ""} {
			ann.eval(fmt.Sprintf(`for (const p of ["people", "chat", "advanced"]) {
  const open = !document.querySelector("#" + p).hidden;
  if (open !== (p === %q)) document.querySelector("#show-" + p).click();
}`, panel))
			ann.accessible(axe, look.name+", meeting, "+panel)
			ann.fits(look.name + ", meeting, " + panel)
			ann.shoot("meeting-" + look.name + "-" + panel)
		}
		dialogs := []string{"devices", "sharing", "help"}
		if look.name == "dark" || look.name == "phone" {
			dialogs = nil // they are colored as the panels are
		}
		for _, dialog := range dialogs {
			opener := map[string]string{"devices": "#show-devices", "sharing": "#show-link", "help": "#show-help"}[dialog]
			ann.eval(fmt.Sprintf(`document.querySelector(%q).click()`, opener))
			ann.until(dialog+" is open", fmt.Sprintf(`document.querySelector("#%s").open`, dialog))
			ann.accessible(axe, look.name+", "+dialog)
			ann.shoot(dialog + "-" + look.name)
			ann.eval(fmt.Sprintf(`document.querySelector("#%s").close()`, dialog))
		}
		ann.eval(`document.querySelector("#show-more").click()`)
		ann.accessible(axe, look.name+", more")
		ann.shoot("more-" + look.name)
		ann.eval(`document.querySelector("#show-more").click()`)
	}
	lobby.eval(`location.hash = "kitchen"`)
	lobby.until("the other room", shows("#lobby-title", "kitchen"))
	lobby.meet("kitchen")
	lobby.accessible(axe, "alone")
	lobby.click("#leave")
	lobby.accessible(axe, "left")
	lobby.fits("left")
}

// One to eight tiles are laid out without overlap, within the stage, and fill much of
// it, on a desktop and on a phone.
func TestLayout(t *testing.T) {
	d := parleyd.Start(t)
	ann := open(t, browser.Start(t), "Ann", "http://"+d.Address+"/")
	ann.eval(`(async () => {
  document.querySelector("#lobby").style.display = "none";
  document.body.dataset.phase = "meeting";
  document.querySelector("#meeting").hidden = false;
  const { Stage } = await import("./stage.js");
  window.stage = new Stage();
})()`)
	for _, size := range [][2]int64{{1280, 800}, {390, 844}, {844, 390}} {
		ann.do(chromedp.EmulateViewport(size[0], size[1]))
		for n := 1; n <= 8; n++ {
			ann.eval(fmt.Sprintf(`window.stage.show(Array.from({ length: %d }, (_, i) => ({ key: "k" + i, stream: undefined, name: "Somebody" })))`, n))
			ann.until(fmt.Sprintf("%d tiles on %d × %d", n, size[0], size[1]), fmt.Sprintf(`(() => {
  const stage = document.querySelector("#tiles").getBoundingClientRect();
  const tiles = [...document.querySelectorAll(".tile")].map(e => e.getBoundingClientRect());
  const inside = tiles.every(t => t.left >= stage.left - 1 && t.right <= stage.right + 1 && t.top >= stage.top - 1 && t.bottom <= stage.bottom + 1);
  const apart = tiles.every((a, i) => tiles.every((b, j) => i === j || a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top));
  const filled = tiles.reduce((sum, t) => sum + t.width * t.height, 0) / (stage.width * stage.height);
  return tiles.length === %d && inside && apart && filled > .4;
})()`, n))
		}
	}
	ann.do(chromedp.EmulateViewport(1280, 800))
	const box = `((key) => { const { left, top, right, bottom } = document.querySelector("[data-key='" + key + "']").getBoundingClientRect(); return { left, top, right, bottom, x: (left + right) / 2, y: (top + bottom) / 2 }; })`
	show := func(keys, way string) {
		t.Helper()
		ann.eval(fmt.Sprintf(`window.stage.show([%s].map(key => ({ key, stream: undefined, name: key, more() {} })), %s)`, keys, way))
	}
	// A talk of two: the other fills the stage, and the own tile is in a corner, where one wants it.
	show(`"bob", "self"`, `{}`)
	ann.until("the own tile is in the lower right corner", box+`("self").x > 900 && `+box+`("self").y > 500 && `+box+`("bob").right - `+box+`("bob").left === innerWidth`)
	drag := `{
  const self = document.querySelector("[data-key=self]");
  self.setPointerCapture = () => {};
  for (const [type, x, y] of [["down", 1100, 600], ["move", 200, 200], ["up", 200, 200]]) self.dispatchEvent(new PointerEvent("pointer" + type, { clientX: x, clientY: y }));
}`
	ann.eval(drag)
	ann.until("it is dragged to the upper left one", box+`("self").x < 300 && `+box+`("self").y < 300`)
	ann.eval(`document.querySelector("[data-key=self]").dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }))`)
	ann.until("and goes where the arrow says", box+`("self").x > 900 && `+box+`("self").y < 300`)
	// One that matters is large, the others in a strip; a grid has all alike.
	show(`"bob", "cid", "dan", "self"`, `{ large: "cid" }`)
	ann.until("the others are beside it, one below the other", `["bob", "dan", "self"].every((key, i, all) => `+box+`(key).left > `+box+`("cid").right && (!i || `+box+`(key).top >= `+box+`(all[i - 1]).bottom))`)
	ann.eval(`document.querySelector("[data-key=bob] .options").focus()`)
	show(`"cid", "dan", "self"`, `{ grid: true }`)
	ann.until("all are alike", `["cid", "dan", "self"].every(key => Math.abs(`+box+`(key).right - `+box+`(key).left - (`+box+`("cid").right - `+box+`("cid").left)) < 2)`)
	ann.until("the cursor of one that has gone is on nothing that a key would press", `document.activeElement.id === "tiles"`)
}

// fits checks that the page is no wider than the window.
func (w *window) fits(state string) {
	w.t.Helper()
	var wide string
	w.value(`JSON.stringify(document.documentElement.scrollWidth > innerWidth ? [...document.querySelectorAll("body *")]
  .filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + "#" + e.id).slice(0, 5) : [])`, &wide)
	if wide != "[]" {
		w.t.Errorf("%s: wider than the window: %s", state, wide)
	}
}

// The page speaks the browser's language, and another one when it is asked to.
func TestLanguages(t *testing.T) {
	d := parleyd.Start(t)
	chinese := `Object.defineProperty(navigator, "languages", { value: ["zh-CN", "en"] });`
	ann := open(t, browser.Start(t), "Ann", "http://"+d.Address+"/#garden", chinese)
	ann.until("Chinese", shows("#lobby-title", "garden")+` && `+shows("#join-button", "加入会议")+` && document.documentElement.lang === "zh-Hans"`)
	ann.meet("garden")
	ann.until("in the meeting", shows("#state", "会议中"))
	ann.until("no English is left", `!/[A-Za-z]{3,}/.test([...document.querySelectorAll("button, label, legend, h2, [aria-label]")]
  .filter(e => e.checkVisibility() && !e.closest("#members, header")).map(e => e.innerText + (e.getAttribute("aria-label") ?? "")).join(" ").replace(/garden|ID/g, ""))`)
	ann.eval(`{ const l = document.querySelector("#language"); l.value = "en"; l.dispatchEvent(new Event("change")); }`)
	ann.until("English", `document.querySelector("#mute").title === "Mute" && `+shows("#state", "In the meeting"))
	ann.do(chromedp.Reload())
	ann.until("it is remembered", shows("#join-button", "Join"))
	ann.eval(`{ const l = document.querySelector("#language"); l.value = "ar"; l.dispatchEvent(new Event("change")); }`)
	ann.until("from right to left", `document.dir === "rtl" && document.querySelector("#join .screen").getBoundingClientRect().left > document.querySelector("#join .fields").getBoundingClientRect().left`)
}

// Everything can be done with the keyboard alone.
func TestKeyboard(t *testing.T) {
	d := parleyd.Start(t)
	all := meeting(t, d.Address, "Ann", "Bob")
	ann := all[0]
	ann.sees(1)
	for _, c := range [][2]string{
		{"m", `document.querySelector("#mute").ariaPressed === "true"`}, {"v", `document.querySelector("#camera").ariaPressed === "true"`},
		{"h", `document.querySelector("#hand").ariaPressed === "true"`}, {"c", `document.activeElement.id === "words"`},
		{"p", `!document.querySelector("#people").hidden`}, {"i", `!document.querySelector("#advanced").hidden`}, {"?", `document.querySelector("#help").open`},
	} {
		ann.press(c[0])
		ann.until(c[0], c[1])
	}
	ann.eval(`document.querySelector("#help").close()`)
	// The tabulator goes to every control that is shown, and around.
	ann.eval(`document.activeElement.blur(); window.reached = new Set(); addEventListener("focusin", ({ target }) => reached.add(target))`)
	const missed = `[...document.querySelectorAll("button, input, select, [data-key=self]")].filter(e => e.checkVisibility() && !e.disabled && !window.reached.has(e))`
	for range 60 {
		ann.do(chromedp.KeyEvent("\t"))
	}
	var found string
	ann.value(`window.reached.size + " reached; missed: " + (`+missed+`).map(e => e.id || e.outerHTML).join()`, &found)
	if n := 0; !strings.HasSuffix(found, "missed: ") {
		t.Error(found)
	} else if _, err := fmt.Sscan(found, &n); err != nil || n < 15 {
		t.Error(found)
	}
	ann.until("all have names", `[...document.querySelectorAll("#controls button, .tile button:not([hidden])")].every(b => b.innerText.trim() || b.textContent.trim() || b.ariaLabel)`)
}

// The page asks nobody else for anything, and is small: what the lobby does not need comes when
// somebody is about to join.
func TestNothingFromElsewhere(t *testing.T) {
	d := parleyd.Start(t)
	ann := open(t, browser.Start(t), "Ann", "http://"+d.Address+"/#garden")
	ann.until("there is a preview", `document.querySelector("#preview").videoWidth > 0`)
	loaded := func(what string, most int) {
		t.Helper()
		var text string
		ann.value(`performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation")).reduce((sum, e) => sum + e.transferSize, 0).toString()`, &text)
		if size, err := strconv.Atoi(text); err != nil || size > most {
			t.Errorf("%s takes %s bytes, over %d", what, text, most)
		}
		t.Logf("%s takes %s bytes", what, text)
	}
	loaded("the lobby", 45_000)
	ann.meet("garden")
	loaded("a meeting", 95_000) // with what is asked for twice, see load.js
	ann.eval(`document.querySelector("#show-link").click()`)
	ann.until("the QR code is drawn", `document.querySelector("#qr").naturalWidth > 0`)
	var urls string
	ann.value(`performance.getEntriesByType("resource").map(e => e.name).join("\n")`, &urls)
	for _, u := range strings.Split(urls, "\n") {
		if !strings.HasPrefix(u, "http://"+d.Address+"/") && !strings.HasPrefix(u, "data:") {
			t.Errorf("asked for %s", u)
		}
		if strings.Contains(u, "garden") && !strings.HasPrefix(u, "data:") {
			t.Errorf("the room's name is in the address %s", u)
		}
	}
}
