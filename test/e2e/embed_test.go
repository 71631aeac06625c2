package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// portal is another site, with the page of a daemon in a frame.
func portal(t *testing.T) (site *httptest.Server, show func(d *parleyd.Daemon)) {
	t.Helper()
	frame := ""
	site = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `<!doctype html><title>portal</title><iframe src="http://%s/#garden" allow="camera; microphone; display-capture"></iframe>`, frame)
	}))
	t.Cleanup(site.Close)
	return site, func(d *parleyd.Daemon) { frame = d.Address }
}

// A site that is named may embed the page, and its visitors meet others there with their
// cameras; other sites may not.
func TestFrame(t *testing.T) {
	site, show := portal(t)
	// Ann's acts in the frame, which is of another origin than the window.
	inFrame := `
window.told = [];
addEventListener("message", e => told.push(e.data));
document.addEventListener("load", e => window.loaded ||= e.target.tagName === "IFRAME", true);
if (window !== top) addEventListener("DOMContentLoaded", () => top.postMessage(document.title, "*"));
const shown = window !== top && setInterval(() => {
  if (!document.querySelector("#join-button")?.checkVisibility()) return;
  clearInterval(shown);
  document.querySelector("#nickname").value = "Ann";
  document.querySelector("#join-button").click();
}, 50);`
	b := browser.Start(t)
	named := parleyd.Start(t, "--frame-ancestor", site.URL)
	show(named)
	ann := open(t, b, "Ann", site.URL, inFrame)
	ann.until("the frame shows the page", `told.includes("parley") && window.loaded`)
	named.Wait(t, "join")
	bob := open(t, b, "Bob", "http://"+named.Address+"/#garden")
	bob.meet("garden")
	bob.sees(1)

	strange := parleyd.Start(t, "--frame-ancestor", "https://another.example.org")
	show(strange)
	cid := open(t, b, "Cid", site.URL, inFrame)
	cid.until("the frame is through", `window.loaded`)
	cid.until("the frame does not show the page", `!told.includes("parley")`)
}

// Two Chromiums that may use nothing else call each other through the TURN server over
// IPv6 alone.
func TestRelayedIPv6(t *testing.T) {
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skip("this machine has no IPv6")
	} else {
		_ = l.Close()
	}
	d := parleyd.Start(t, "--turn-listen", "[::1]:0")
	if urls := fmt.Sprint(d.Wait(t, "start")["turn"]); !strings.Contains(urls, "[::1]") || strings.Contains(urls, "127.0.0.1") {
		t.Fatalf("the TURN server is at %s", urls)
	}
	b := browser.Start(t, chromedp.Flag("allow-loopback-in-peer-connection", true))
	ann := open(t, b, "Ann", "http://"+d.Address+"/#garden", relayOnly)
	bob := open(t, b, "Bob", "http://"+d.Address+"/#garden", relayOnly)
	ann.meet("garden")
	bob.meet("garden")
	ann.sees(1)
	bob.sees(1)
	d.Wait(t, "relay opened")
}

// The page tells a load balancer which room it is for, without the room's name: those of
// one room can come to one server.
func TestRoomInTheAddress(t *testing.T) {
	d := parleyd.Start(t)
	var mu sync.Mutex
	var asked []string // values of the query's room, in the order of the pages
	balancer := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: d.Address})
		r.Out.Host = r.In.Host
		if r.In.URL.Path == "/ws" {
			mu.Lock()
			asked = append(asked, r.In.URL.Query().Get("room"))
			mu.Unlock()
		}
	}})
	t.Cleanup(balancer.Close)
	b := browser.Start(t)
	for _, room := range []string{"garden", "garden", "kitchen"} {
		open(t, b, "Ann", balancer.URL+"/#"+room).join(room)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(asked) != 3 || asked[0] == "" || asked[0] != asked[1] || asked[0] == asked[2] || slices.Contains(asked, "garden") {
		t.Errorf("the pages asked for %q", asked)
	}
}

// Where WebSockets are blocked and all else is not, the page says so; it goes on when they
// are let through.
func TestBlockedWebSockets(t *testing.T) {
	d := parleyd.Start(t)
	backend := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: d.Address})
		r.Out.Host = r.In.Host
	}}
	var passes atomic.Bool
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ws" && !passes.Load() {
			http.Error(w, "the policy of this network", http.StatusForbidden)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	ann := open(t, browser.Start(t), "Ann", proxy.URL+"/#garden")
	ann.submit()
	ann.until("the reason is shown", shows("#progress", "WebSockets"))
	passes.Store(true)
	ann.inRoom()
}
