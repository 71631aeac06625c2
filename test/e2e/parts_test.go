package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// flaky is a proxy before a daemon that answers for files with 503 while it fails.
func flaky(t *testing.T, d *parleyd.Daemon, fails *atomic.Bool, files ...string) string {
	t.Helper()
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: d.Address})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, file := range files {
			if fails.Load() && strings.HasSuffix(r.URL.Path, file) {
				http.Error(w, "not now", http.StatusServiceUnavailable)
				return
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// A page that can't be loaded says so and is loaded anew, whichever part of it is missing.
func TestPageIsLoadedAgain(t *testing.T) {
	d := parleyd.Start(t)
	f := startFirefox(t)
	for _, file := range []string{"/main.js", "/media.js", "/lang/en.js"} {
		var fails atomic.Bool
		at := flaky(t, d, &fails, file)
		fails.Store(true)
		f.command("browsingContext.navigate", map[string]any{"context": f.context, "url": at + "/#garden", "wait": "complete"}, nil)
		f.until(file+" is missing", `document.querySelector("#broken")?.checkVisibility() && document.querySelector("#lobby").hidden`)
		fails.Store(false)
		f.until(file+" is there", `document.querySelector("#lobby")?.checkVisibility() && !document.querySelector("#broken").checkVisibility()`)
	}
}

// Parts of the page that can't be loaded are asked for again, also those that others need, in
// browsers that remember failures too.
func TestPartsAreLoadedAgain(t *testing.T) {
	d := parleyd.Start(t)
	var fails atomic.Bool
	at := flaky(t, d, &fails, "/visit.js", "/webm.js")
	fails.Store(true)
	ann := open(t, browser.Start(t), "Ann", at+"/#garden")
	ann.until("the form is there", `document.querySelector("#nickname").checkVisibility()`)
	ann.submit()
	ann.until("a part is missing", shows("#progress", "Trying again"))

	f := startFirefox(t)
	f.command("browsingContext.navigate", map[string]any{"context": f.context, "url": at + "/#garden", "wait": "complete"}, nil)
	f.until("there is a preview", `document.querySelector("#preview").videoWidth > 0`)
	f.is(`(document.querySelector("#join-button").click(), true)`)
	f.until("a part is missing", `document.querySelector("#progress").innerText.includes("Trying again")`)
	fails.Store(false)
	ann.inRoom()
	f.until("it is there", `document.body.dataset.phase === "meeting"`)

	// One that is loaded when it is first used, and fails then.
	fails.Store(true)
	record := `(document.querySelector("#record").click(), true)`
	ann.eval(record)
	f.is(record)
	ann.until("it is told", shows("#notices", "could not be loaded"))
	f.until("it is told", `document.querySelector("#notices").innerText.includes("could not be loaded")`)
	fails.Store(false)
	ann.eval(record)
	f.is(record)
	ann.until("it records", `document.querySelector("#record").ariaPressed === "true"`)
	f.until("it records", `document.querySelector("#record").ariaPressed === "true"`)
}
