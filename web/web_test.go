package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHandler(t *testing.T) {
	for _, c := range []struct {
		method, path string
		want         int
		content      string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8"},
		{"HEAD", "/", 200, "text/html; charset=utf-8"},
		{"GET", "/main.js", 200, "text/javascript; charset=utf-8"},
		{"GET", "/style.css", 200, "text/css; charset=utf-8"},
		{"GET", "/icon.svg", 200, "image/svg+xml"},
		{"GET", "/nothing", 404, "text/plain; charset=utf-8"},
		{"GET", "/page/", 404, "text/plain; charset=utf-8"},
		{"GET", "/../web.go", 404, "text/plain; charset=utf-8"},
		{"POST", "/", 405, "text/plain; charset=utf-8"},
		{"DELETE", "/main.js", 405, "text/plain; charset=utf-8"},
	} {
		w := httptest.NewRecorder()
		Handler().ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
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

// What the policy allows has no room for scripts in the page itself.
func TestPageKeepsThePolicy(t *testing.T) {
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
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
