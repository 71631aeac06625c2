package peerjs

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/parley-rtc/parley/hub"
)

// Rooms tells who is in a room. A [*hub.Hub] does.
type Rooms interface {
	Room(ctx context.Context, name string) (*hub.RoomDetail, error)
}

// API returns the handler of what PeerJS clients ask for over HTTP, by the last part of the
// path: id for a new id, and peers for the ids of all peers of the key in the path value
// "key". Pages whose origin allowed accepts may read the answers.
func (d *Dialect) API(rooms Rooms, allowed func(*http.Request) bool) (id, peers http.Handler) {
	cross := func(h http.HandlerFunc) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Vary", "Origin")
			if origin := r.Header.Get("Origin"); origin != "" && allowed(r) {
				w.Header().Set("Access-Control-Allow-Origin", origin)
			}
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("X-Content-Type-Options", "nosniff")
			switch r.Method {
			case http.MethodOptions:
				w.Header().Set("Access-Control-Allow-Methods", "GET")
				w.WriteHeader(http.StatusNoContent)
			case http.MethodGet, http.MethodHead:
				h(w, r)
			default:
				w.Header().Set("Allow", "GET, HEAD, OPTIONS")
				http.Error(w, "only GET", http.StatusMethodNotAllowed)
			}
		})
	}
	return cross(newID), cross(func(w http.ResponseWriter, r *http.Request) { d.peers(w, r, rooms) })
}

// newID answers with an id that nobody has: a random UUID (RFC 9562).
func newID(w http.ResponseWriter, _ *http.Request) {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0F|0x40, b[8]&0x3F|0x80
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// peers answers with the ids of all peers.
func (d *Dialect) peers(w http.ResponseWriter, r *http.Request, rooms Rooms) {
	key := r.PathValue("key")
	if !d.options.Discovery || !d.takes(key) {
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
		return
	}
	room, err := rooms.Room(r.Context(), d.options.RoomPrefix+key)
	if err != nil {
		http.Error(w, "the peers are not known at the moment", http.StatusServiceUnavailable)
		return
	}
	ids := []string{}
	if room != nil {
		for _, m := range room.MemberList {
			ids = append(ids, m.ID)
		}
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(ids)
}
