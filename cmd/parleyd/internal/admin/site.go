package admin

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed page
var files embed.FS

// Site returns what serves the page for operators: at "/", with its parts under
// "/page/". It has no secrets: what it shows it asks the API for.
func Site() http.Handler {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err)
	}
	serve := http.FileServerFS(page)
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", serve)
	mux.Handle("GET /page/", http.StripPrefix("/page/", serve))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		mux.ServeHTTP(w, r)
	})
}
