package web

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"rsc.io/qr"
)

// maxQR is the longest text of a QR code, in bytes: far less than would fit, so that
// phones read it easily.
const maxQR = 512

// serveQR draws the body of the request as a QR code: a link in the query would be in the logs of
// proxies.
func serveQR(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxQR))
	text := string(body)
	if err != nil || text == "" || !utf8.ValidString(text) {
		http.Error(w, "the body: 1 to 512 bytes of UTF-8", http.StatusBadRequest)
		return
	}
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	const quiet = 4 // modules around the code (ISO/IEC 18004)
	var path strings.Builder
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x, y)
			}
		}
	}
	side := code.Size + 2*quiet
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="%d %d %d %d" shape-rendering="crispEdges"><path fill="#fff" d="M%d %dh%dv%dh-%dz"/><path d="%s"/></svg>`,
		-quiet, -quiet, side, side, -quiet, -quiet, side, side, side, path.String())
}
