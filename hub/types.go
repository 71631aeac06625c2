package hub

import (
	"encoding/json"
	"net/netip"
	"time"

	"github.com/parley-rtc/parley/hub/internal/actor"
)

// Refusals for packages that speak a protocol, see [Client.Refuse].
var (
	ErrNotJoined      = actor.ErrNotJoined
	ErrAlreadyJoined  = actor.ErrAlreadyJoined
	ErrTargetNotFound = actor.ErrTargetNotFound
)

// RoomInfo describes a room at one moment.
type RoomInfo struct {
	Name    string
	Members int
	Locked  bool
	Opened  time.Time
}

// RoomDetail is a room with its members, sorted by id.
type RoomDetail struct {
	RoomInfo
	MemberList []MemberInfo
}

// MemberInfo describes a member at one moment.
type MemberInfo struct {
	ID, Name  string          // Name is the nickname; empty: none
	Meta      json.RawMessage // profile; nil: none
	Node      string          // the node of its connection, in a cluster
	Conn      uint64          // number of its connection; 0: it was lost and can be resumed
	Remote    netip.Addr      // client's address
	Joined    time.Time
	Rights    Rights
	Resumable bool
	Backlog   int // memory of the frames that wait for it, in bytes
}

// ClientInfo describes a connection at one moment.
type ClientInfo struct {
	Node     string // the node that it is with, in a cluster
	Conn     uint64 // number of the connection
	Remote   netip.Addr
	Opened   time.Time
	Room, ID string // empty: it has not joined
	Backlog  int    // memory of the frames that wait for it, in bytes
}

// Grant is what a member may do, and for how long. It must not be changed once it is
// part of a [Join] or an admission.
type Grant struct {
	Rights   Rights    // zero: none; usually [wire.DefaultRights]
	Subject  string    // the token's sub; empty: there is no token, or it has none
	Named    bool      // the grant fixes the nickname: the member can't change it
	Profiled bool      // the grant fixes the profile: the member can't change it
	Expires  time.Time // when the membership ends; zero: never
	Bound    time.Time // the part of Expires that the application decided, kept for renewals; zero: none
}

func convert[A, B any](all []A, one func(A) B) []B {
	list := make([]B, len(all))
	for i, a := range all {
		list[i] = one(a)
	}
	return list
}

func roomInfo(r actor.RoomInfo) RoomInfo       { return RoomInfo(r) }
func memberInfo(m actor.MemberInfo) MemberInfo { return MemberInfo(m) }
func clientInfo(c actor.ClientInfo) ClientInfo { return ClientInfo(c) }
func (g *Grant) actor() *actor.Grant           { return (*actor.Grant)(g) }
