package webtorrent

import (
	"encoding/hex"
	"strconv"
	"unicode/utf8"

	"github.com/parley-rtc/parley/hub/wire"
)

// hash is an info hash or a peer id.
type hash [20]byte

func (h hash) hex() string { return string(h.appendHex(nil)) }

func (h hash) appendHex(b []byte) []byte { return hex.AppendEncode(b, h[:]) }

// readHash reads a binary string: 20 characters, one for each byte.
func readHash(value []byte) (h hash, ok bool) {
	text, ok := wire.String(value)
	if !ok {
		return h, false
	}
	n := 0
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(text[i:])
		}
		if n == len(h) || r > 0xFF {
			return h, false
		}
		h[n] = byte(r)
		n++
		i += size
	}
	return h, n == len(h)
}

// hashOfID reads what an id of a member stands for.
func hashOfID(id []byte) (h hash, ok bool) {
	n, err := hex.Decode(h[:], id[:min(len(id), 2*len(h))])
	return h, err == nil && n == len(h) && len(id) == 2*len(h)
}

// appendHash appends a hash as a binary string.
func appendHash(b []byte, h hash) []byte {
	var text [2 * len(h)]byte
	n := 0
	for _, c := range h {
		n += utf8.EncodeRune(text[n:], rune(c))
	}
	return wire.AppendQuoted(b, text[:n])
}

// incoming is what a client has sent. Its slices, JSON but for action, point into the text, or
// to copies of what has escapes. nil: absent.
type incoming struct {
	action                  []byte
	infoHash, peerID        []byte
	toPeerID                []byte
	event, left             []byte
	offers, answer, offerID []byte
	offer                   []byte // of a message between members, as is answer
}

// read reports false if text is no JSON object. Of members that stand twice, the last counts,
// as for JavaScript.
func (in *incoming) read(text []byte) bool {
	*in = incoming{}
	return wire.EachMember(text, in.member)
}

// readSeen is read for what was read before.
func (in *incoming) readSeen(text []byte) bool {
	*in = incoming{}
	return wire.EachMemberSeen(text, in.member)
}

func (in *incoming) member(name, value []byte) {
	switch string(name) {
	case "action":
		in.action = value
	case "info_hash":
		in.infoHash = value
	case "peer_id":
		in.peerID = value
	case "to_peer_id":
		in.toPeerID = value
	case "event":
		in.event = value
	case "left":
		in.left = value
	case "offers":
		in.offers = value
	case "offer":
		in.offer = value
	case "answer":
		in.answer = value
	case "offer_id":
		in.offerID = value
	}
}

// falsy reports whether a JSON value, or none, is false for JavaScript.
func falsy(value []byte) bool {
	switch string(value) {
	case "", "null", "false", `""`, "0", "-0":
		return true
	}
	if c := value[0]; c != '-' && (c < '0' || c > '9') {
		return false
	}
	if n, err := strconv.ParseFloat(string(value), 64); err == nil {
		return n == 0
	}
	return false
}

// nothingLeft reports whether left says that a peer has all of the torrent.
func (in *incoming) nothingLeft() bool {
	if len(in.left) == 0 {
		return false
	}
	value := in.left
	if text, ok := wire.String(value); ok {
		value = text
	}
	n, err := strconv.ParseFloat(string(value), 64)
	return err == nil && n == 0
}

// event is what an announce is about.
type event string

// The events of peers.
const (
	update    event = "update"
	started   event = "started"
	stopped   event = "stopped"
	completed event = "completed"
	paused    event = "paused"
)

// of returns the event of an announce; "" is none that there is.
func (in *incoming) of() event {
	if falsy(in.event) {
		return update
	}
	text, _ := wire.String(in.event)
	switch e := event(text); e {
	case update, started, stopped, completed, paused:
		return e
	case "empty":
		return update
	}
	return ""
}

// announce is an announce that can be read.
type announce struct {
	hash, peer, to hash // to is where there is an answer
	event          event
	answers        bool
}

// announce reads an announce, or says why it can't be.
func (in *incoming) announce() (a announce, failure string) {
	var ok bool
	if a.hash, ok = readHash(in.infoHash); !ok {
		return a, "invalid info_hash"
	}
	if a.peer, ok = readHash(in.peerID); !ok {
		return a, "invalid peer_id"
	}
	if a.answers = !falsy(in.answer); a.answers {
		if a.to, ok = readHash(in.toPeerID); !ok {
			return a, "invalid `to_peer_id` (required with `answer`)"
		}
	}
	a.event = in.of()
	return a, ""
}

// eachOffer calls f with the first few offers, and their number, from 0. Those that are no
// objects with an offer count, and are left out.
func (in *incoming) eachOffer(most int, f func(nth int, offer, offerID []byte)) {
	nth := 0
	wire.EachElement(in.offers, func(element []byte) {
		if nth < most {
			var one incoming
			if one.readSeen(element) && one.offer != nil {
				f(nth, one.offer, one.offerID)
			}
		}
		nth++
	})
}

// scraped returns the swarms that a scrape asks for, or says why it can't be read.
func (in *incoming) scraped() (hashes []hash, failure string) {
	take := func(value []byte) {
		h, ok := readHash(value)
		switch {
		case failure != "":
		case !ok:
			failure = "invalid info_hash"
		case len(hashes) == maxScrape:
			failure = "too many swarms in one scrape"
		default:
			hashes = append(hashes, h)
		}
	}
	if in.infoHash == nil || string(in.infoHash) == "null" {
		return nil, "a scrape needs an info_hash"
	}
	if !wire.EachElement(in.infoHash, take) {
		take(in.infoHash)
	}
	return hashes, failure
}

// appendMember appends a member of an object, unless it has no value.
func appendMember(b []byte, name string, value []byte) []byte {
	if value == nil {
		return b
	}
	b = append(append(append(b, ',', '"'), name...), '"', ':')
	return append(b, value...)
}

// wrapped is more than a message takes beside its offer or answer and their id, in bytes.
const wrapped = 64

// appendData appends the data of the message of version 1 that carries an offer or an answer.
func appendData(b, offer, answer, offerID []byte) []byte {
	b = append(b, `{"action":"announce"`...)
	b = appendMember(b, "offer", offer)
	b = appendMember(b, "answer", answer)
	b = appendMember(b, "offer_id", offerID)
	return append(b, '}')
}
