package soak

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// checks are what must hold of the report's page.
var checks = map[string]string{
	"there are charts":           `document.querySelectorAll("figure > svg").length >= 7`,
	"each has a name":            `[...document.querySelectorAll("figure > svg")].every(s => s.getAttribute("aria-label"))`,
	"lines are drawn":            `[...document.querySelectorAll("path.line[d^=M]")].filter(p => p.getTotalLength() > 50).length >= 8`,
	"lines stay in their charts": `[...document.querySelectorAll("figure > svg")].every(s => [...s.querySelectorAll("path.line, rect.bar")].every(p => { const b = p.getBBox(); return b.x >= 0 && b.y >= 0 && b.x + b.width <= 641 && b.y + b.height <= 221 }))`,
	"bars are drawn":             `[...document.querySelectorAll("rect.bar")].some(r => r.getBBox().height > 20)`,
	"latency has five lines":     `[...document.querySelectorAll("figure")].find(f => f.innerText.includes("Latency over time")).querySelectorAll("figure > svg path.line").length === 5`,
	"the server's memory is in":  `[...document.querySelectorAll("figure")].find(f => f.innerText.includes("Memory")).querySelector("figure > svg path.line.s2").getTotalLength() > 50`,
	"a point tells its figures":  `document.querySelector(".hint title").textContent.includes("p99")`,
	"figures can be read too":    `document.querySelectorAll("details table tr").length > 10`,
	"the verdict is there":       `document.querySelector("[role=status]").innerText.startsWith("PASS")`,
	"nothing overflows":          `document.documentElement.scrollWidth <= innerWidth`,
	"nothing else was loaded":    `performance.getEntriesByType("resource").length === 0`,
}

// contrast is the least between text and what is behind it: WCAG AA wants 4.5.
const contrast = `(() => {
  const lum = (c) => { const [r, g, b] = c.match(/[\d.]+/g).map(v => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4 });
    return .2126 * r + .7152 * g + .0722 * b };
  const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (c !== "rgba(0, 0, 0, 0)") return c } return "rgb(255,255,255)" };
  let least = 21;
  for (const e of document.querySelectorAll("h1,h2,p,li,b,td,th,figcaption,summary,code")) {
    const [x, y] = [lum(getComputedStyle(e).color), lum(behind(e))].sort((a, b) => b - a);
    least = Math.min(least, (x + .05) / (y + .05));
  }
  return least;
})()`

// The report's page shows its charts in the light, in the dark, on a phone, and
// printed.
func TestReportInBrowser(t *testing.T) {
	d := parleyd.Start(t)
	r := run(t, "ws://"+d.Address+"/ws", append(small, "--duration", "5s", "--metrics-url", "http://"+d.Admin+"/metrics", "--webrtc", "2", "--objective", "p99<30s")...)
	r.want(t, 0)
	ctx, cancel := chromedp.NewContext(browser.Start(t), chromedp.WithListener(func(event any) {
		if e, ok := event.(*runtime.EventExceptionThrown); ok {
			t.Errorf("the page threw: %s", e.ExceptionDetails.Text)
		}
	}))
	defer cancel()
	ctx, cancelTime := context.WithTimeout(ctx, 2*parleyd.Patience)
	defer cancelTime()
	if err := chromedp.Do(ctx, chromedp.Navigate("file://"+r.page)); err != nil {
		t.Fatal(err)
	}
	for _, look := range []struct {
		name          string
		media, scheme string
		width, height int64
	}{{"light", "", "light", 1280, 1600}, {"dark", "", "dark", 1280, 1600}, {"phone", "", "light", 390, 844}, {"print", "print", "dark", 900, 1200}} {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: look.media,
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}}})
		if err == nil {
			err = chromedp.Do(ctx, chromedp.EmulateViewport(look.width, look.height))
		}
		if err != nil {
			t.Fatal(err)
		}
		for what, expression := range checks {
			if is, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression)); err != nil || !is {
				t.Errorf("%s: not so: %s (%v)", look.name, what, err)
			}
		}
		if least, err := chromedp.Run(ctx, chromedp.Evaluate[float64](contrast)); err != nil || least < 4.5 {
			t.Errorf("%s: a contrast of %.2f (%v)", look.name, least, err)
		}
		shoot(t, ctx, look.name)
	}
	if hidden, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`getComputedStyle(document.querySelector("details")).display === "none"`)); err != nil || !hidden {
		t.Errorf("the tables of figures are printed (%v)", err)
	}
}

// shoot saves a screenshot where ARTIFACTS says, if it does.
func shoot(t *testing.T, ctx context.Context, name string) {
	dir := os.Getenv("ARTIFACTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "report-"+name+".png"), png, 0o644)
	}
	if err != nil {
		t.Error(err)
	}
}
