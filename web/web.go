// Package web is the page and the client module that it is built on: plain ES
// modules, embedded in the binary, with no build step. The module is served as it is, and
// joined into one file for pages of others, with its examples.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed page client/*.js client/examples/*.html client/examples/*.js client/examples/*.css
var embedded embed.FS

// policy allows what the page uses and nothing else: its own files, its own
// origin's WebSocket, and media from the device and from peers. The origins that may embed the page
// follows.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; media-src 'self' blob: mediastream:; manifest-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors "

// headers stand on every answer.
var headers = map[string]string{
	"Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self), fullscreen=(self), " +
		"picture-in-picture=(self), screen-wake-lock=(self), clipboard-write=(self), speaker-selection=(self), geolocation=(), payment=(), usb=()",
	"Referrer-Policy":              "no-referrer",
	"X-Content-Type-Options":       "nosniff",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cache-Control":                "no-cache",
}

// single is the client module in one file. With ?v= and its tag, which Content-Location tells, it
// may be kept for ever; another tag gets the file of now, to be asked for again.
const single = "/client/parley.js"

// file is one of the page's, ready to be served.
type file struct {
	plain, packed []byte // packed: with gzip; nil where that saves nothing
	kind, tag     string
}

// Handler serves the page, its files and /qr, to be mounted at "/". Pages of the ancestors,
// which are origins, may embed it; without any, none may.
func Handler(ancestors ...string) http.Handler {
	files := load()
	policy := policy + "'none'"
	if len(ancestors) > 0 {
		policy = strings.TrimSuffix(policy, "'none'") + strings.Join(ancestors, " ")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		w.Header().Set("Content-Security-Policy", policy)
		if r.URL.Path == "/qr" && r.Method == http.MethodPost {
			serveQR(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		if strings.HasPrefix(r.URL.Path, "/client/") { // pages of other origins may be built on it
			w.Header().Set("Access-Control-Allow-Origin", "*")
			w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
		}
		f, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if r.URL.Path == single {
			w.Header().Set("Content-Location", "parley.js?v="+f.tag)
			if r.URL.Query().Get("v") == f.tag {
				w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			}
		}
		f.serve(w, r)
	})
}

// load reads and packs the files, by their paths.
func load() map[string]*file {
	files := map[string]*file{}
	err := fs.WalkDir(embedded, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		name = strings.TrimPrefix(name, "page/")
		if strings.HasPrefix(name, "client/examples/") {
			name = strings.TrimPrefix(name, "client/")
		} else if path.Ext(name) == ".js" {
			text = []byte(strings.Join(codeOf(string(text)), "\n") + "\n") // a third of what a browser gets were comments
		}
		files["/"+name] = pack(name, text)
		return nil
	})
	if err != nil {
		panic(err) // they are in the binary
	}
	client, err := fs.Sub(embedded, "client")
	if err != nil {
		panic(err)
	}
	joined, err := bundle(client)
	if err != nil {
		panic(err) // a test looks at it
	}
	files[single] = pack(single, joined)
	files["/"] = files["/index.html"]
	delete(files, "/index.html")
	return files
}

// pack makes a file with this text, of the kind that its name says.
func pack(name string, text []byte) *file {
	sum := sha256.Sum256(text)
	kind := mime.TypeByExtension(path.Ext(name))
	if path.Ext(name) == ".webmanifest" {
		kind = "application/manifest+json" // not every system knows it
	}
	f := &file{plain: text, kind: kind, tag: base64.RawURLEncoding.EncodeToString(sum[:12])}
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	_, _ = z.Write(text)
	_ = z.Close()
	if packed.Len() < len(text) {
		f.packed = packed.Bytes()
	}
	return f
}

// serve answers with the file, packed where the client takes that.
func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Vary", "Accept-Encoding")
	text := f.plain
	if f.packed != nil && acceptsGzip(r.Header.Values("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		h.Set("ETag", `"`+f.tag+`-gzip"`)
		text = f.packed
	} else {
		h.Set("ETag", `"`+f.tag+`"`)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
}

// acceptsGzip reads Accept-Encoding (RFC 9110, 12.5.3).
func acceptsGzip(values []string) bool {
	for _, part := range strings.Split(strings.Join(values, ","), ",") {
		name, parameters, _ := strings.Cut(part, ";")
		if name = strings.TrimSpace(name); name != "gzip" && name != "*" {
			continue
		}
		weight, _ := strings.CutPrefix(strings.ReplaceAll(parameters, " ", ""), "q=")
		return strings.Trim(weight, "0.") != "" || parameters == ""
	}
	return false
}
