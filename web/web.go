// Package web is the page: plain ES modules, embedded in the binary, with no
// build step.
package web

import (
	"embed"
	"io/fs"
	"net/http"
	"strings"
	"unicode/utf8"
)

//go:embed page
var embedded embed.FS

// policy allows what the page uses and nothing else: its own files, its own
// origin's WebSocket, and media from the device and from peers.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; media-src 'self' blob: mediastream:; manifest-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// headers stand on every answer.
var headers = map[string]string{
	"Content-Security-Policy":      policy,
	"Permissions-Policy":           "camera=(self), microphone=(self), clipboard-write=(self), geolocation=(), payment=(), usb=()",
	"Referrer-Policy":              "no-referrer",
	"X-Content-Type-Options":       "nosniff",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cache-Control":                "no-cache",
}

// Handler serves the page and its files, to be mounted at "/".
func Handler() http.Handler {
	page, err := fs.Sub(embedded, "page")
	if err != nil {
		panic(err) // the name is a constant
	}
	files := http.FileServerFS(page)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		// No listings: a folder is there only as the page itself. And no file has a
		// name that is not UTF-8, for which the file server would answer 500.
		if r.URL.Path != "/" && strings.HasSuffix(r.URL.Path, "/") || !utf8.ValidString(r.URL.Path) {
			http.NotFound(w, r)
			return
		}
		files.ServeHTTP(w, r)
	})
}
