package dialect

import (
	"bytes"
	"crypto/sha1"
	"strings"
	"unicode/utf8"

	"github.com/parley-rtc/parley/cmd/soak/internal/credential"
	"github.com/parley-rtc/parley/cmd/soak/internal/payload"
)

// WebTorrent is the protocol of WebTorrent's trackers: a room is a swarm, and members send each
// other answers. Offers go to anybody, so there are none. The base URL is that of the tracker,
// such as ws://127.0.0.1:8000/.
var _ = register(&Dialect{
	Name: "webtorrent",
	URL:  here,
	Join: func(b []byte, e *Entry) []byte {
		return append(announcing(b, e.Room, e.ID), `,"event":"started","left":1}`...)
	},
	Message: func(b []byte, m *Message) []byte {
		b = append(announcing(b, m.Room, m.From), `,"to_peer_id":"`...)
		b = append(append(b, peerID(m.To)...), `","offer_id":"`...)
		b = append(append(b, m.Stamp.Kind.String()...), `","answer":`...)
		return append(payload.Append(b, &m.Stamp), '}')
	},
	Read: func(message []byte, e *Event) error {
		*e = Event{}
		var kind string
		counted := false
		err := fields(message, &trackerRules, func(name, value []byte) {
			switch string(name) {
			case "complete":
				counted = true
			case "peer_id":
				e.From = idOf(text(value))
			case "to_peer_id":
				e.To = idOf(text(value))
			case "offer_id":
				kind = string(text(value))
			case "answer":
				e.Body = value
			case "failure reason":
				e.Type, e.Code, e.Text = Refused, []byte("failure"), text(value)
			}
		})
		switch {
		case err != nil || e.Type == Refused:
			return err
		case counted:
			e.Type = Joined
		}
		for k := range payload.Kind(payload.NumKinds) {
			if e.Body != nil && k.String() == kind {
				e.Type, e.Kind = Forwarded, k
			}
		}
		return nil
	},
})

var trackerRules = rules{body: func(name []byte) bool { return string(name) == "answer" }}

// announcing appends an announce without its end.
func announcing(b []byte, room, id string) []byte {
	b = append(b, `{"action":"announce","info_hash":"`...)
	for _, c := range sha1.Sum([]byte(room)) {
		// A character for each byte, of those that stand for themselves in JSON.
		b = utf8.AppendRune(b, rune(0xA0+c%0x60))
	}
	return append(append(append(b, `","peer_id":"`...), peerID(id)...), '"')
}

// peerIDs are 20 characters. The common beginning of all members' ids does not fit.
const (
	peerIDSize = 20
	shortened  = "~"
	filler     = "."
)

func peerID(id string) string {
	if rest, ok := strings.CutPrefix(id, credential.RoomPrefix); ok {
		id = shortened + rest
	}
	return id + strings.Repeat(filler, max(0, peerIDSize-len(id)))
}

func idOf(peerID []byte) []byte {
	id := bytes.TrimRight(peerID, filler)
	if rest, ok := bytes.CutPrefix(id, []byte(shortened)); ok {
		return append([]byte(credential.RoomPrefix), rest...)
	}
	return id
}
