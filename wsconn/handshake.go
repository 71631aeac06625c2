package wsconn

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
)

// Reasons for which an upgrade is refused, as they stand in the log.
const (
	refusedOrigin         = "origin"          // the page may not connect, see Options.AllowOrigins
	refusedNotWebSocket   = "not_websocket"   // the request does not ask for an upgrade to WebSocket
	refusedHTTPVersion    = "http_version"    // it is older than HTTP/1.1
	refusedMethod         = "method"          // it is not a GET
	refusedVersion        = "version"         // of WebSocket: only 13 is spoken
	refusedKey            = "key"             // Sec-WebSocket-Key is missing, or is not 16 bytes in base64
	refusedHandshake      = "handshake"       // the HTTP server does not let the connection be hijacked
	refusedDraining       = "draining"        // the server is going away
	refusedMaxConnections = "max_connections" // Options.MaxConnections
	refusedAddressLimit   = "address_limit"   // Options.PerAddress
)

// refusal is why a request is not upgraded.
type refusal struct {
	status int
	reason string
	text   string // the body of the answer
}

// checkRequest says why a request can't be upgraded, whoever sends it; nil: it can.
// It costs the client's address nothing: any web page can make its visitors send
// such requests.
func (h *Handler) checkRequest(w http.ResponseWriter, r *http.Request) *refusal {
	keys := r.Header.Values("Sec-WebSocket-Key")
	switch {
	case !originAllowed(r, h.options.Load().AllowOrigins):
		return &refusal{http.StatusForbidden, refusedOrigin, fmt.Sprintf(
			"pages of the origin %q may not connect to %q", short(r.Header.Get("Origin")), short(r.Host),
		)}
	case !r.ProtoAtLeast(1, 1):
		return &refusal{http.StatusUpgradeRequired, refusedHTTPVersion, "WebSocket needs HTTP/1.1"}
	case !hasToken(r.Header.Values("Connection"), "upgrade"), !hasToken(r.Header.Values("Upgrade"), "websocket"):
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		return &refusal{http.StatusUpgradeRequired, refusedNotWebSocket, "this address speaks WebSocket: a proxy must pass the headers Connection and Upgrade on"}
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		return &refusal{http.StatusMethodNotAllowed, refusedMethod, "WebSocket begins with a GET"}
	case r.Header.Get("Sec-WebSocket-Version") != "13":
		w.Header().Set("Sec-WebSocket-Version", "13")
		return &refusal{http.StatusBadRequest, refusedVersion, "Sec-WebSocket-Version must be 13"}
	case len(keys) != 1 || !validKey(keys[0]):
		return &refusal{http.StatusBadRequest, refusedKey, "Sec-WebSocket-Key must be 16 bytes in base64"}
	}
	return nil
}

func validKey(key string) bool {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(key))
	return err == nil && len(b) == 16
}

// hasToken reports whether a header that is a list has a token, which is in lower
// case.
func hasToken(values []string, token string) bool {
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(item), token) {
				return true
			}
		}
	}
	return false
}

// shortBytes is as much of a header as is repeated in answers and in the log.
const shortBytes = 256

func short(s string) string { return s[:min(len(s), shortBytes)] }
