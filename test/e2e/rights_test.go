package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/npm"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// file writes a file for the daemon.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// output runs a command of the daemon.
func output(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	cmd := parleyd.Command(args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// Members come by links with tokens; one of them moderates: locks, and removes
// another, who is told why and can't come back at once.
func TestModerator(t *testing.T) {
	secret := file(t, "the secret of these tests, longer than thirty-two bytes")
	d := parleyd.Start(t, "--auth-secret-file", secret)
	b := browser.Start(t)
	link := func(args ...string) string {
		token := output(t, "", append([]string{"token", "--auth-secret-file", secret, "--room", "garden"}, args...)...)
		return "http://" + d.Address + "/#garden&token=" + token
	}
	ann := open(t, b, "Ann", link("--sub", "ann", "--rights", "send,message,moderate"))
	bob := open(t, b, "Bob", link("--sub", "bob"))
	ann.meet("garden")
	bob.meet("garden")
	ann.sees(1)
	bob.sees(1)
	bob.until("no controls for moderators", `document.querySelector("#lock").hidden`)

	ann.panel("people")
	bob.panel("people")
	ann.click("#lock")
	bob.until("the lock is told", shows("#locked", "locked")+` && `+shows("#notices", "locked"))
	ann.until("the button unlocks", shows("#lock", "Unlock"))
	ann.shoot("moderator")
	ann.shootOthers("moderator")
	cid := open(t, b, "Cid", link("--sub", "cid"))
	cid.submit()
	cid.until("Cid is told", shows("#progress", "locked"))
	cid.shoot("locked-out")

	ann.click("#members .options")
	ann.click("#person-kick")
	ann.until("Ann is asked", shows("#kick-question", "Remove Bob"))
	ann.shoot("kick")
	ann.click("#kick")
	bob.until("Bob is told", shows("#left", "You were removed"))
	bob.until("Bob is out", `document.querySelector("#meeting").hidden`)
	bob.shoot("kicked")
	ann.until("Bob is gone", `document.querySelectorAll("#members li").length === 1`)
	ann.until("and keeps his name", `/(to Bob was lost|Bob left)/.test(document.querySelector("#notices").innerText)`)
	bob.click("#again")
	bob.until("Bob is told again", shows("#error", "a short while ago"))
	ann.click("#lock")
	cid.until("Cid gets in once the room is open", `["joined", "call"].includes(document.querySelector("#state").dataset.state)`)

	stranger := open(t, b, "Eve", "http://"+d.Address+"/#garden")
	stranger.submit()
	stranger.until("Eve is told", shows("#error", "asks for a pass"))
}

// A room with a passcode asks for it, and again when it was wrong.
func TestPasscode(t *testing.T) {
	hash := output(t, "let me in\n", "passcode")
	d := parleyd.Start(t, "--config", file(t, "rooms: {garden: {passcode: "+hash+"}}\n"))
	w := open(t, browser.Start(t), "Ann", "http://"+d.Address+"/#garden")
	w.until("nothing is asked yet", `document.querySelector("#passcode-field").hidden`)
	w.submit()
	w.until("the passcode is asked for", shows("#error", "asks for a passcode")+` && !document.querySelector("#passcode-field").hidden`)
	w.do(chromedp.SetValue(chromedp.CSS("#passcode"), "let me out"))
	w.submit()
	w.until("it was wrong", shows("#error", "not the passcode"))
	w.shoot("passcode")
	w.do(chromedp.SetValue(chromedp.CSS("#passcode"), "let me in"))
	w.submit()
	w.inRoom()
}

// The page for operators shows what there is and acts on it, behind a token.
func TestAdminPage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(npm.Install(t, "axe-core@"+axeVersion), "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	d := parleyd.Start(t, "--admin-token-file", file(t, "open sesame"))
	b := browser.Start(t)
	var people []*window
	for _, name := range []string{"Ann", "Bob"} {
		w := open(t, b, name, "http://"+d.Address+"/#garden")
		w.meet("garden")
		people = append(people, w)
	}
	admin := open(t, b, "admin", "http://"+d.Admin+"/")
	admin.until("the token is asked for", `!document.querySelector("#sign-in").hidden`)
	admin.do(chromedp.SetValue(chromedp.CSS("#token"), "wrong"))
	admin.click("#sign-in button")
	admin.until("it was wrong", shows("#error", "wrong"))
	admin.do(chromedp.SetValue(chromedp.CSS("#token"), "open sesame"))
	admin.click("#sign-in button")
	admin.until("the room is listed", shows("#rooms", "garden")+` && `+shows("#rooms", "2"))
	admin.until("figures", `[...document.querySelectorAll(".figure")].some(f => f.innerText.startsWith("Members") && f.innerText.includes("2")) && document.querySelector("polyline").getAttribute("points")`)
	admin.click("#rooms button")
	admin.until("its members", shows("#members", "Ann")+` && `+shows("#members", "Bob"))
	admin.until("their call is listed", shows("#calls", "→")+` && `+shows("#calls", "garden"))
	admin.do(chromedp.SetValue(chromedp.CSS("#calls-contain"), "nobody"))
	admin.until("no such call", shows("#calls-more", "No calls"))
	admin.do(chromedp.SetValue(chromedp.CSS("#calls-contain"), "gard"))
	admin.click("#calls-live")
	admin.until("it is found", shows("#calls", "garden"))
	admin.click("#calls button")
	admin.until("its story", shows("#story", "joined")+` && `+shows("#story", "offer")+` && `+shows("#story", "answer"))
	admin.shoot("admin")
	admin.shootOthers("admin")
	admin.eval(`scrollTo(0, 0)`)
	admin.tour("admin")
	admin.accessible(string(text), "admin")
	admin.fits("admin")

	admin.do(chromedp.SetValue(chromedp.CSS("#words"), "we restart at noon"))
	admin.click("#message button")
	people[0].until("the notice is shown", shows("#notices", "we restart at noon"))
	admin.until("it is told that it was sent", shows("#error", "were told")+` && !document.querySelector("#words").value`)
	admin.click("#lock")
	people[0].until("the lock is told", shows("#notices", "locked"))
	admin.eval(`[...document.querySelectorAll("#members tr")].find(r => r.innerText.includes("Bob")).querySelector("button").click()`)
	admin.click("#confirm button[value=yes]")
	people[1].until("Bob is told", shows("#left", "You were removed"))
	admin.click("#close")
	admin.click("#confirm button[value=yes]")
	people[0].until("Ann is told", shows("#left", "You were removed"))
	admin.until("no rooms", shows("#rooms-more", "No rooms"))
	admin.click("#server summary")
	admin.click("#drain")
	admin.until("a press is not enough", `document.querySelector("#yes").disabled`)
	admin.do(chromedp.SetValue(chromedp.CSS("#named"), "127.0.0.1"))
	admin.eval(`document.querySelector("#named").dispatchEvent(new Event("input"))`)
	admin.click("#confirm button[value=yes]")
	if code := d.ExitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	admin.until("the end is seen", fmt.Sprintf("!document.querySelector('#error').hidden && %s", shows("#error", "does not answer")))
}
