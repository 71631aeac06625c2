package e2e

import (
	"fmt"
	"os"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// shootAll saves the page on a large screen and on a phone, in the light and in the dark.
func (w *window) shootAll(name string) {
	for _, scheme := range []string{"light", "dark"} {
		call(w, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}})
		for screen, size := range map[string][2]int64{"wide": {1920, 1080}, "phone": {390, 844}} {
			w.do(chromedp.EmulateViewport(size[0], size[1]))
			w.eval(`dispatchEvent(new Event("pointermove")); new Promise(done => setTimeout(done, 150))`)
			w.shoot(fmt.Sprintf("state-%s-%s-%s", name, screen, scheme))
		}
	}
	w.do(chromedp.EmulateViewport(1280, 800))
}

// tour saves a picture for the README.
func (w *window) tour(name string) {
	call(w, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}}})
	w.do(chromedp.EmulateViewport(1280, 800))
	w.eval(`dispatchEvent(new Event("pointermove")); new Promise(done => setTimeout(done, 300))`)
	w.shoot("tour-" + name)
}

// Takes pictures of the page in its states, with drawn faces, for people to look at.
func TestPictures(t *testing.T) {
	if os.Getenv("ARTIFACTS") == "" {
		t.Skip("make screenshots takes pictures")
	}
	d := parleyd.Start(t)
	at := "http://" + d.Address + "/"
	one := func(name string, n int, path string) *window {
		w := open(t, browser.Start(t, browser.Face(t, n)), name, at+path)
		w.until("there is a preview", `document.querySelector("#preview").videoWidth > 0`)
		return w
	}
	ann := one("Ann Lindqvist", 0, "")
	ann.shootAll("lobby-new")
	ann.eval(`location.hash = "garden"`)
	ann.until("the room", shows("#lobby-title", "garden"))
	ann.eval(`document.querySelector("#nickname").value = "Ann Lindqvist"`)
	ann.shootAll("lobby")
	ann.tour("lobby")
	ann.meet("garden")
	ann.shootAll("alone")
	bob := one("Bob Okafor", 1, "#garden")
	bob.meet("garden")
	ann.sees(1)
	bob.sees(1)
	ann.until("no notices", `!document.querySelector("#notices").innerText`)
	ann.shootAll("talk")
	ann.click(".tile:not([data-key=self]) .options")
	ann.until("there is a code", `document.querySelector("#code-words").textContent.includes(" ")`)
	ann.shootAll("person")
	ann.eval(`document.querySelector("#person").close()`)
	cid := one("Cai Wen", 2, "#garden")
	cid.meet("garden")
	ann.sees(2)
	cid.sees(2)
	bob.eval(`document.querySelector("#mute").click()`)
	cid.eval(`document.querySelector("#hand").click()`)
	ann.until("all is told", `document.querySelector("[title=Muted]") && document.querySelector(".raised:not([hidden])")`)
	ann.until("no notices", `!document.querySelector("#notices").innerText`)
	ann.shootAll("grid")
	ann.tour("meeting")
	ann.eval(`document.querySelector("#view").click()`)
	ann.shootAll("speaker")
	ann.eval(`document.querySelector("#view").click(); document.querySelector("#view").click()`)
	ann.panel("people")
	ann.shootAll("people")
	talk := func(w *window, words string) {
		w.eval(fmt.Sprintf(`document.querySelector("#words").value = %q; document.querySelector("#chat-form").requestSubmit()`, words))
	}
	talk(bob, "The plan for Friday: https://example.org/plan")
	talk(cid, "Looks good. Can we start at ten?")
	talk(ann, "Ten is fine with me")
	ann.shootAll("notices")
	ann.panel("chat")
	bob.eval(`{
  const list = new DataTransfer();
  list.items.add(new File([new Uint8Array(2_400_000)], "garden plan.pdf"));
  const input = document.querySelector("#file");
  input.files = list.files;
  input.dispatchEvent(new Event("change"));
}`)
	ann.until("a file is offered", `document.querySelector(".transfer .primary")`)
	ann.shootAll("chat")
	ann.tour("chat")
	ann.panel("advanced")
	ann.until("figures", shows("#connections", "kbit/s"))
	ann.shootAll("details")
	ann.tour("details")
	ann.panel("")
	ann.eval(`document.querySelector("#show-more").click()`)
	ann.shootAll("more")
	ann.eval(`document.querySelector("#show-more").click(); document.querySelector("#mute").click(); document.querySelector("#camera").click()`)
	ann.until("both are off", `document.querySelector("#camera").ariaPressed === "true" && document.querySelector("#mute").ariaPressed === "true"`)
	ann.shootAll("off")
	ann.eval(`document.querySelector("#camera").click()`)
	for name, opener := range map[string]string{"settings": "#show-devices", "link": "#show-link", "help": "#show-help"} {
		ann.eval(fmt.Sprintf(`document.querySelector(%q).click()`, opener))
		ann.shootAll(name)
		ann.eval(`document.querySelector("dialog[open]").close()`)
	}
	bob.press("s")
	ann.until("a screen", `document.querySelector(".tile.screen")`)
	bob.eval(`URL.createObjectURL = () => "#"; document.querySelector("#record").click()`)
	ann.until("a recording", `document.querySelector("#recording").checkVisibility()`)
	ann.shootAll("screen")
	bob.shootAll("presenting")
	bob.press("s")
	for _, language := range []string{"ar", "zh"} {
		ann.panel("people")
		ann.eval(fmt.Sprintf(`{ const l = document.querySelector("#language"); l.value = %q; l.dispatchEvent(new Event("change")); }`, language))
		ann.until("the language", fmt.Sprintf(`document.documentElement.lang.startsWith(%q)`, language))
		ann.shootAll("people-" + language)
		ann.panel("")
		ann.shootAll("grid-" + language)
	}
	ann.eval(`{ const l = document.querySelector("#language"); l.value = "en"; l.dispatchEvent(new Event("change")); }`)
	cid.click("#leave")
	cid.shootAll("left")
	cid.click("#anew")
	cid.eval(`location.hash = "kitchen"`)
	cid.join("kitchen")
	dan := open(t, bob.browser, "Dan", at+"#kitchen")
	dan.join("kitchen")
	dan.call("Cai")
	cid.until("it rings", `!document.querySelector("#incoming").hidden`)
	cid.shootAll("incoming")
	dan.shootAll("calling")
}
