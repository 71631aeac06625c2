package dialects

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/certificate"
	"github.com/parley-rtc/parley/test/internal/npm"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// suite serves the pages of PeerJS's own tests in testdata/peerjs with the package as it is on
// npm. Of the pages only the address of Chai changes, which the tests take from the web.
func suite(t *testing.T) (url string) {
	t.Helper()
	chai := bundle(t, `export { expect } from "chai";`, "chai@4.3.7")
	peerjs := filepath.Join(npm.Install(t, "peerjs@1.5.5"), "node_modules", "peerjs")
	remote := regexp.MustCompile(`https://esm\.sh/[^"]*`)
	types := map[string]string{".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".mjs": "text/javascript"}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := path.Clean(r.URL.Path)
		root := filepath.Join("testdata", "peerjs")
		if strings.HasPrefix(name, "/dist/") {
			root = peerjs
		}
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		switch {
		case name == "/chai.js":
			text = []byte(chai)
		case err != nil:
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", types[path.Ext(name)])
		_, _ = w.Write(remote.ReplaceAll(text, []byte("/chai.js")))
	}))
	t.Cleanup(s.Close)
	return s.URL + "/e2e/"
}

// cloud starts a parleyd, and a browser for which it is PeerJS's public server: the tests set
// no other.
func cloud(t *testing.T) context.Context {
	t.Helper()
	c := certificate.New(t, t.TempDir())
	d := parleyd.Start(t, "--peerjs", "/", "--allow-origin", "*", "--tls-cert", c.CertFile, "--tls-key", c.KeyFile)
	return browser.Start(t, chromedp.Flag("host-resolver-rules", "MAP 0.peerjs.com:443 "+d.Address),
		chromedp.Flag("ignore-certificate-errors", true))
}

// pageSays waits until a page of the suite says something.
func pageSays(t *testing.T, page context.Context, text string) {
	t.Helper()
	browser.Until(t, page, fmt.Sprintf("the page says %q", text), fmt.Sprintf(`document.getElementById("messages").textContent.startsWith(%q)`, text))
}

// meets has a page call or connect to the peer of another, once both are in.
func meets(t *testing.T, one, other context.Context, button string) {
	t.Helper()
	const in = "Your Peer ID: "
	pageSays(t, other, in)
	pageSays(t, one, in)
	id := strings.TrimPrefix(value(t, other, `document.getElementById("messages").textContent`), in)
	do(t, one, fmt.Sprintf(`document.getElementById("receiver-id").value = %q; document.getElementById(%q).click()`, id, button))
}

// key is the one for which the suite's pages agree: some take no other, which makes it null.
const key = "&key=null"

// PeerJS's own tests of data connections pass over parleyd. The cases are those of the suite's
// files; the steps those of its serializationTest.ts.
func TestPeerJSSuiteData(t *testing.T) {
	url, b := suite(t), cloud(t)
	specs, err := filepath.Glob(filepath.Join("testdata", "peerjs", "e2e", "datachannel", "*.spec.ts"))
	if err != nil || len(specs) != 3 {
		t.Fatal(specs, err)
	}
	test := regexp.MustCompile(`(?m)^\s*(?:it\(\s*"[^"]*",\s*|)serializationTest\("\./(\w+)", "(\w+)"\)`)
	for _, spec := range specs {
		text, err := os.ReadFile(spec)
		if err != nil {
			t.Fatal(err)
		}
		cases := test.FindAllSubmatch(text, -1)
		if len(cases) < 5 {
			t.Errorf("%s has %d cases", spec, len(cases))
		}
		for _, c := range cases {
			t.Run(string(c[2])+"/"+string(c[1]), func(t *testing.T) {
				open := url + "datachannel/serialization.html?testfile=" + string(c[1]) + key
				alice, bob := window(t, b, open+"&serialization="+string(c[2])+"#Alice"), window(t, b, open+"#Bob")
				meets(t, alice, bob, "connect-btn")
				pageSays(t, alice, "Connected!")
				do(t, alice, `document.getElementById("send-btn").click()`)
				pageSays(t, alice, "Sent!")
				pageSays(t, bob, "Closed!")
				do(t, bob, `document.getElementById("check-btn").click()`)
				pageSays(t, bob, "Checked!")
				if said := value(t, bob, `document.getElementById("error-message").textContent + document.getElementById("result").textContent`); said != "Success!" {
					t.Error(said)
				}
				for _, w := range []context.Context{alice, bob} {
					_ = chromedp.Cancel(w)
				}
			})
		}
	}
}

// PeerJS's own test of a media connection passes over parleyd: one closes, and the other hears.
func TestPeerJSSuiteMedia(t *testing.T) {
	url, b := suite(t), cloud(t)
	open := url + "mediachannel/close.html?" + key
	alice, bob := window(t, b, open+"#Alice"), window(t, b, open+"#Bob")
	meets(t, alice, bob, "call-btn")
	pageSays(t, alice, "Connected!")
	pageSays(t, bob, "Connected!")
	do(t, bob, `document.getElementById("close-btn").click()`)
	pageSays(t, bob, "Closed!")
	pageSays(t, alice, "Closed!")
}

// PeerJS's own tests of what a peer is told pass over parleyd.
func TestPeerJSSuitePeer(t *testing.T) {
	url, b := suite(t), cloud(t)
	for page, says := range map[string]string{
		"id-taken": "No ID takeover", "server-unavailable": `{"type":"server-error"}`, "disconnected": `{"type":"disconnected"}`,
	} {
		t.Run(page, func(t *testing.T) {
			w := window(t, b, url+"peer/"+page+".html?"+key)
			pageSays(t, w, says)
			if said := value(t, w, `document.getElementById("error-message")?.textContent ?? ""`); said != "" {
				t.Error(said)
			}
		})
	}
}
