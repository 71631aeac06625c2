package web

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func get(t *testing.T, method, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w
}

func TestHandler(t *testing.T) {
	const text = "text/plain; charset=utf-8"
	for _, c := range []struct {
		method, path string
		want         int
		content      string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8"},
		{"HEAD", "/", 200, "text/html; charset=utf-8"},
		{"GET", "/main.js", 200, "text/javascript; charset=utf-8"},
		{"GET", "/lang/zh.js", 200, "text/javascript; charset=utf-8"},
		{"GET", "/client/index.js", 200, "text/javascript; charset=utf-8"},
		{"GET", "/client/parley.js", 200, "text/javascript; charset=utf-8"},
		{"GET", "/examples/video.html", 200, "text/html; charset=utf-8"},
		{"GET", "/examples/video.js", 200, "text/javascript; charset=utf-8"},
		{"GET", "/client/examples/video.js", 404, text},
		{"GET", "/style.css", 200, "text/css; charset=utf-8"},
		{"GET", "/icon.svg", 200, "image/svg+xml"},
		{"GET", "/manifest.webmanifest", 200, "application/manifest+json"},
		{"GET", "/icon-192.png", 200, "image/png"},
		{"GET", "/icon-512.png", 200, "image/png"},
		{"GET", "/qr", 404, text},
		{"GET", "/nothing", 404, text},
		{"GET", "/client/", 404, text},
		{"GET", "/client/package.json", 404, text},
		{"GET", "/page/", 404, text},
		{"GET", "/../web.go", 404, text},
		{"POST", "/", 405, text},
		{"DELETE", "/main.js", 405, text},
	} {
		w := get(t, c.method, c.path)
		if w.Code != c.want || w.Header().Get("Content-Type") != c.content {
			t.Errorf("%s %s: %d %q", c.method, c.path, w.Code, w.Header().Get("Content-Type"))
		}
		for name := range headers {
			// http.Error takes Cache-Control away.
			if w.Header().Get(name) == "" && (c.want == 200 || name != "Cache-Control") {
				t.Errorf("%s %s: no %s", c.method, c.path, name)
			}
		}
	}
}

// The text of a QR code is in the body of the request, where no proxy logs it.
func TestQR(t *testing.T) {
	for text, want := range map[string]int{
		"https://example.org/#garden": 200, strings.Repeat("x", 512): 200, "": 400, "\xff": 400, strings.Repeat("x", 513): 400,
	} {
		w := httptest.NewRecorder()
		Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/qr", strings.NewReader(text)))
		if w.Code != want || want == 200 && w.Header().Get("Content-Type") != "image/svg+xml" {
			t.Errorf("%.30q: %d %q", text, w.Code, w.Header().Get("Content-Type"))
		}
	}
}

// The files that the manifest names are there, so that browsers can install the page.
func TestManifest(t *testing.T) {
	var manifest struct {
		Name, Display string
		StartURL      string `json:"start_url"`
		Icons         []struct{ Src, Sizes, Type string }
	}
	if err := json.Unmarshal(get(t, http.MethodGet, "/manifest.webmanifest").Body.Bytes(), &manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.Name == "" || manifest.Display != "standalone" || manifest.StartURL != "./" || len(manifest.Icons) < 3 {
		t.Errorf("%+v", manifest)
	}
	for _, icon := range manifest.Icons {
		if w := get(t, http.MethodGet, "/"+icon.Src); w.Code != http.StatusOK || w.Header().Get("Content-Type") != icon.Type {
			t.Errorf("%s: %d %q", icon.Src, w.Code, w.Header().Get("Content-Type"))
		}
	}
}

// Pages of other origins may load the client module, and nothing else.
func TestOtherOrigins(t *testing.T) {
	for path, want := range map[string]string{"/client/index.js": "*", "/client/parley.js": "*", "/examples/video.js": "", "/main.js": ""} {
		if got := get(t, http.MethodGet, path, "Origin", "https://other.example").Header().Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("%s allows %q", path, got)
		}
	}
}

// The client module in one file may be kept for ever under the name of its version, and only
// there.
func TestSingleFile(t *testing.T) {
	plain := get(t, http.MethodGet, "/client/parley.js")
	version := plain.Header().Get("Content-Location")
	if !strings.HasPrefix(version, "parley.js?v=") {
		t.Fatalf("it says that it is %q", version)
	}
	for path, want := range map[string]bool{"parley.js": false, version: true, "parley.js?v=other": false} {
		w := get(t, http.MethodGet, "/client/"+path)
		if kept := strings.Contains(w.Header().Get("Cache-Control"), "immutable"); kept != want || w.Code != http.StatusOK {
			t.Errorf("%s: %d, kept: %v", path, w.Code, kept)
		}
		if w.Body.String() != plain.Body.String() {
			t.Errorf("%s is another file", path)
		}
	}
}

// Each module of a folder is in the single file once, after those that it needs; what can't be
// joined is an error.
func TestBundle(t *testing.T) {
	joined, err := bundle(fstest.MapFS{
		"index.js": {Data: []byte("// words\nexport { A } from \"./a.js\";\n")},
		"a.js":     {Data: []byte("import { b, c } from \"./b.js\";\n/**\n * words\n */\nexport class A { x = /** @type {any} */ (b + c); }\n")},
		"b.js":     {Data: []byte("/** one line */\nexport const b = 1;\nexport async function c() {}\n")},
	})
	want := "const $b = (() => {\nconst b = 1;\nasync function c() {}\nreturn { b, c };\n})();\n" +
		"const $a = (() => {\nconst { b, c } = $b;\nclass A { x = /** @type {any} */ (b + c); }\nreturn { A };\n})();\n" +
		"export const { A } = $a;\n"
	if _, text, _ := strings.Cut(string(joined), "\n"); err != nil || text != want {
		t.Errorf("%v\n%s", err, joined)
	}
	for _, wrong := range []string{"import x from \"y\";\n", "export default 1;\n", "import { a } from \"./nothing.js\";\n"} {
		if _, err := bundle(fstest.MapFS{"index.js": {Data: []byte(wrong)}}); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}

// The policy allows no scripts in the page itself.
func TestPageKeepsThePolicy(t *testing.T) {
	w := get(t, http.MethodGet, "/")
	page := w.Body.String()
	for _, inline := range []string{"<script>", " onclick=", " style=", "javascript:"} {
		if strings.Contains(page, inline) {
			t.Errorf("the page has %q", inline)
		}
	}
	if policy := w.Header().Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %q", policy)
	}
}

// Files are packed for those who take that, and are not sent again to those who have
// them.
func TestPacked(t *testing.T) {
	plain := get(t, http.MethodGet, "/main.js")
	packed := get(t, http.MethodGet, "/main.js", "Accept-Encoding", "br;q=1.0, gzip;q=0.8")
	z, err := gzip.NewReader(packed.Body)
	if err != nil || packed.Header().Get("Content-Encoding") != "gzip" {
		t.Fatalf("%v, %v", packed.Header(), err)
	}
	if text, err := io.ReadAll(z); err != nil || !bytes.Equal(text, plain.Body.Bytes()) {
		t.Errorf("packed it is another: %v", err)
	}
	for _, none := range []string{"", "br", "gzip;q=0", "gzip; q=0.0"} {
		if w := get(t, http.MethodGet, "/main.js", "Accept-Encoding", none); w.Header().Get("Content-Encoding") != "" {
			t.Errorf("%q is answered with gzip", none)
		}
	}
	for _, w := range []*httptest.ResponseRecorder{plain, packed} {
		again := get(t, http.MethodGet, "/main.js", "If-None-Match", w.Header().Get("ETag"), "Accept-Encoding", w.Header().Get("Content-Encoding"))
		if again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("again: %d", again.Code)
		}
	}
}

// All languages have the same words, and the same places for names in them.
func TestLanguagesAreComplete(t *testing.T) {
	words := func(name string) map[string]string {
		text, err := os.ReadFile("page/lang/" + name + ".js")
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		for _, m := range regexp.MustCompile(`(?m)^  ("[^"]+"): ("(?:[^"\\]|\\.)*"),$`).FindAllSubmatch(text, -1) {
			var key, value string
			if json.Unmarshal(m[1], &key) != nil || json.Unmarshal(m[2], &value) != nil || found[key] != "" {
				t.Errorf("%s: %s appears twice or is no string", name, m[1])
			}
			found[key] = value
		}
		return found
	}
	english := words("en")
	places := regexp.MustCompile(`\{\w+\}`)
	for _, name := range []string{"zh", "ar"} {
		other := words(name)
		if len(english) < 100 || len(other) != len(english) {
			t.Errorf("%d words in English, %d in %s", len(english), len(other), name)
		}
		for key, text := range english {
			a, b := places.FindAllString(text, -1), places.FindAllString(other[key], -1)
			slices.Sort(a)
			slices.Sort(b)
			if !slices.Equal(a, b) {
				t.Errorf("%s: %q, %q", key, text, other[key])
			}
		}
	}
}

// All that a part of the page needs is known, so that it is there when the part is loaded.
func TestPartsAreKnown(t *testing.T) {
	imports := regexp.MustCompile(`(?m)^(?:import|export) .*?from "\./([^"]+)";$`)
	var add func(name string, to map[string]bool)
	add = func(name string, to map[string]bool) {
		if to[name] || strings.HasPrefix(name, "client/") {
			to[name] = true
			return
		}
		to[name] = true
		text, err := os.ReadFile("page/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range imports.FindAllSubmatch(text, -1) {
			add(string(m[1]), to)
		}
	}
	there := map[string]bool{}
	add("main.js", there)
	text, err := os.ReadFile("page/load.js")
	if err != nil {
		t.Fatal(err)
	}
	list, _, _ := strings.Cut(string(text), "\n};")
	// Parts that are loaded by name, those that the others come after first.
	for _, part := range []string{"inside.js", "record.js", "details.js", "files.js"} {
		var known []string
		if m := regexp.MustCompile(`(?s)"` + part + `": \[(.*?)\]`).FindStringSubmatch(list); m != nil {
			for _, name := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(m[1], -1) {
				known = append(known, name[1])
			}
		}
		all := map[string]bool{}
		add(part, all)
		var needs []string
		for name := range all {
			if name != part && !there[name] {
				needs = append(needs, name)
			}
		}
		slices.Sort(needs)
		if !slices.Equal(needs, known) {
			t.Errorf("%s needs %q, and is known to need %q", part, needs, known)
		}
		if part == "inside.js" {
			there = all
			add("main.js", there)
		}
	}
}

// Browsers are told which origins may embed the page: none unless it is set.
func TestFrameAncestors(t *testing.T) {
	for _, c := range []struct {
		ancestors []string
		want      string
	}{
		{nil, "frame-ancestors 'none'"},
		{[]string{"https://portal.example.org", "https://*.example.com"}, "frame-ancestors https://portal.example.org https://*.example.com"},
	} {
		w := httptest.NewRecorder()
		Handler(c.ancestors...).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if got := w.Header().Get("Content-Security-Policy"); !strings.HasSuffix(got, "; "+c.want) {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// The Chinese READMEs are kept in step: they have the same sections, examples and tables.
func TestReadmesAreInStep(t *testing.T) {
	shape := func(name string) []string {
		text, err := os.ReadFile("../" + name)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		code := false
		for _, line := range strings.Split(string(text), "\n") {
			switch {
			case strings.HasPrefix(line, "```"):
				code = !code
				lines = append(lines, line)
			case code:
				command, _, _ := strings.Cut(" "+line, " #") // without comments
				lines = append(lines, strings.TrimSpace(command))
			case strings.HasPrefix(line, "#"):
				lines = append(lines, strings.Repeat("#", strings.Count(line, "#")))
			case strings.HasPrefix(line, "| `"):
				lines = append(lines, regexp.MustCompile("`[^`]*`").FindString(line))
			case strings.HasPrefix(line, "!["):
				lines = append(lines, regexp.MustCompile(`\(.*\)`).FindString(line))
			}
		}
		return lines
	}
	for _, folder := range []string{"", "cmd/parleyd/"} {
		english, chinese := shape(folder+"README.md"), shape(folder+"README.zh-CN.md")
		for i := range max(len(english), len(chinese)) {
			if i >= len(english) || i >= len(chinese) || english[i] != chinese[i] {
				t.Fatalf("%sREADMEs part at line %d: %q, %q", folder, i, english[min(i, len(english)-1):min(i+2, len(english))], chinese[min(i, len(chinese)-1):min(i+2, len(chinese))])
			}
		}
	}
}
