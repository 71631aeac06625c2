// Package dialect is how servers are spoken to: what a client sends to enter a room,
// to reach a member and to leave, and what the server's messages mean. A dialect is
// one file.
package dialect

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/parley-rtc/parley/cmd/soak/internal/payload"
)

// Dialect is a protocol of servers.
type Dialect struct {
	Name string
	// Membership says that the server tells members who is in the room.
	Membership bool
	// Broadcast says that a message can go to everybody else in the room.
	Broadcast bool
	// Exact says that the server promises to pass payloads on byte for byte.
	Exact bool
	// Shared says that all members of a room get what is sent to one: they pass over what is
	// for others, and what they have sent themselves.
	Shared bool
	// Heartbeat is what a client sends every HeartbeatEvery; nil: nothing.
	Heartbeat      []byte
	HeartbeatEvery time.Duration

	// URL returns the WebSocket's address for a member of a room.
	URL func(base *url.URL, room, id string) *url.URL
	// Join appends what enters a room; nil: connecting is enough.
	Join func(b []byte, e *Entry) []byte
	// Settle is sent behind Join; its answer, of type Joined, says that the member is in. nil:
	// the server answers Join.
	Settle []byte
	// Renew appends what gives the server a fresh token; nil: there are no tokens.
	Renew func(b []byte, token string) []byte
	// Leave is what leaves the room; nil: closing is enough.
	Leave []byte
	// Message appends a message to a member.
	Message func(b []byte, m *Message) []byte
	// Probe appends a message with a ref that the server must refuse: one to nobody, or
	// one to somebody in nobody's name. nil: there is none.
	Probe func(b []byte, ref, nobody, somebody string, forged bool) []byte
	// Read finds out what a message of the server means; ErrNotJSON: nothing. The
	// event's slices point into the text. All but the Body has been seen to be JSON:
	// for that there is Valid.
	Read func(text []byte, e *Event) error
}

// Entry is what a member says to be let into a room.
type Entry struct {
	Room, ID        string
	Token, Passcode string // empty: none
	// Changes asks for changes of the room in place of whole lists.
	Changes bool
}

// Message is what a member sends.
type Message struct {
	Room, From, To string // To: empty for everybody
	// Ref tags the message, so that an error can be told to be its; empty: the
	// server would not send it back.
	Ref   []byte
	Stamp payload.Stamp
}

// Type is what a message of the server is about.
type Type uint8

// The types of events.
const (
	Other     Type = iota // nothing that matters here
	Joined                // the member is in
	Members               // who is in the room
	Changes               // who has joined and left
	Forwarded             // a message of another member
	Pong
	Resumed
	Renewed // a fresh token was accepted
	Refused // an error
)

// Event is a message of the server.
type Event struct {
	Type           Type
	Kind           payload.Kind // of what was forwarded
	Room, From, To []byte       // empty where the server does not say
	Body           []byte       // the payload of what was forwarded
	Members        []byte       // a JSON array of ids
	Joined, Left   []byte       // arrays of ids; nil: none
	Rejoined       []byte
	Count          int    // of members after changes
	Missed         int    // of "resumed"; NoCount: it is no number
	Handled        int64  // of "resumed"; -1: the server does not say; NoCount: it is no number
	Code, Text, Re []byte // of an error: the code, a sentence, the type of what was refused
	Ref, Session   []byte
	ICEServers     []byte // a JSON array of RTCIceServer
}

// NoCount stands for what should be a count and is none.
const NoCount = -2

var dialects = map[string]*Dialect{}

// register adds a dialect when the program starts.
func register(d *Dialect) *Dialect {
	dialects[d.Name] = d
	return d
}

// Names returns the names of all dialects, sorted.
func Names() []string { return slices.Sorted(maps.Keys(dialects)) }

// Find returns the dialect with a name.
func Find(name string) (*Dialect, error) {
	if d := dialects[name]; d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("dialect: there is no %q: there are %s", name, strings.Join(Names(), ", "))
}

// here is the address of servers whose members all connect to the same.
func here(base *url.URL, _, _ string) *url.URL { return base }
