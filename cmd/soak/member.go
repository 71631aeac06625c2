package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Times of one member.
const (
	joinTime  = 15 * time.Second
	leaveTime = 5 * time.Second
)

// member is one client in a room.
type member struct {
	// Set by newMember, then read only.
	ledger    *ledger
	room, id  string
	roommates int
	number    [2]int // of the room, and in it

	url string // set by join

	sending sync.Mutex        // held by who writes; guards next
	next    map[string]uint64 // number of the next message to a member

	mu      sync.Mutex // guards what follows
	conn    *websocket.Conn
	members []string // as the server last said
	joined  chan struct{}
	leaving bool
	session string    // takes the membership up again; empty: the server has no such thing
	had     uint64    // messages of the membership that have come
	unsure  []payload // sent since the last ping that was answered
	pinged  int       // of them, those sent before the ping that is under way
}

func newMember(l *ledger, room string, r, p, peers int) *member {
	return &member{
		ledger: l, room: room, id: memberID(r, p), number: [2]int{r, p}, roommates: peers,
		joined: make(chan struct{}),
		next:   make(map[string]uint64),
	}
}

func memberID(room, number int) string { return fmt.Sprintf("soak-%d-%d", room, number) }

// incoming is a message from the server.
type incoming struct {
	Type      string          `json:"type"`
	Room      string          `json:"room"`
	From      string          `json:"from"`
	To        string          `json:"to"`
	Members   []string        `json:"members"`
	SDP       json.RawMessage `json:"sdp"`
	Candidate json.RawMessage `json:"candidate"`
	Code      string          `json:"code"`
	Error     string          `json:"error"`
	Re        string          `json:"re"`
	Session   string          `json:"session"`
}

// join connects and enters the room; a list of members with our id says that we
// are in.
func (m *member) join(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return err
	}
	conn.SetReadLimit(-1)
	m.url, m.conn = url, conn
	go m.read(conn)
	if err := m.write(ctx, map[string]any{"type": "join", "room": m.room, "from": m.id, "resumable": true}); err != nil {
		return err
	}
	select {
	case <-m.joined:
		return nil
	case <-ctx.Done():
		return errors.New("the server did not list us")
	}
}

// write sends a message on the connection that there is.
func (m *member) write(ctx context.Context, message map[string]any) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	m.mu.Lock()
	conn := m.conn
	m.mu.Unlock()
	return conn.Write(ctx, websocket.MessageText, text)
}

func (m *member) read(conn *websocket.Conn) {
	for {
		_, text, err := conn.Read(context.Background())
		if err != nil {
			m.lost(err)
			return
		}
		now := time.Now()
		var in incoming
		if err := json.Unmarshal(text, &in); err != nil {
			m.ledger.fault("not JSON", "%s got %.80q", m.id, text)
			continue
		}
		m.handle(&in, now)
	}
}

func (m *member) handle(in *incoming, now time.Time) {
	m.mu.Lock()
	m.had++
	m.mu.Unlock()
	switch in.Type {
	case "joined":
		m.mu.Lock()
		m.session, m.had = in.Session, 1
		m.mu.Unlock()
	case "resumed":
		m.ledger.resumed()
	case "pong":
		m.confirmed()
	case "room_members":
		m.setMembers(in)
	case "offer", "answer", "candidate":
		m.check(in, now)
	case "error":
		m.ledger.fault("refused", "%s: %s %s (%s)", m.id, in.Re, in.Code, in.Error)
	}
}

func (m *member) setMembers(in *incoming) {
	if in.Room != "" && in.Room != m.room {
		m.ledger.fault("membership", "%s in %s was told of %s", m.id, m.room, in.Room)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.members = in.Members
	if !slices.Contains(in.Members, m.id) {
		return
	}
	select {
	case <-m.joined:
	default:
		close(m.joined)
	}
}

// check holds a forwarded message against what was sent.
func (m *member) check(in *incoming, now time.Time) {
	p, err := parse(in)
	switch {
	case err != nil:
		m.ledger.fault("altered", "%s got a %s from %q that nobody sent: %v", m.id, in.Type, in.From, err)
	case p.to != m.number || in.To != "" && in.To != m.id || in.Room != "" && in.Room != m.room:
		m.ledger.fault("misdelivered", "%s in %s got message %d from %v to %v", m.id, m.room, p.seq, p.from, p.to)
	case in.From != memberID(p.from[0], p.from[1]):
		m.ledger.fault("altered", "%s got message %d of %v as from %q", m.id, p.seq, p.from, in.From)
	default:
		m.ledger.arrived(p, now)
	}
}

// knowsAll reports whether the member was told of everybody in its room and of
// nobody else.
func (m *member) knowsAll() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.members) != m.roommates {
		return false
	}
	for p := range m.roommates {
		if !slices.Contains(m.members, memberID(m.number[0], p)) {
			return false
		}
	}
	return true
}

func (m *member) known() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.members)
}

// send sends the next message to another member of the room.
func (m *member) send(ctx context.Context, to *member, kind string) error {
	m.sending.Lock()
	defer m.sending.Unlock()
	p := payload{kind: kind, from: m.number, to: to.number, seq: m.next[to.id], at: time.Now()}
	m.next[to.id]++
	m.ledger.left(p)
	ask := m.note(p)
	err := m.write(ctx, p.message(m, to))
	if err == nil && ask {
		err = m.write(ctx, map[string]any{"type": "ping"})
	}
	if err != nil && m.resumable() {
		return nil // the reading side sees it too, and resumes
	}
	return err
}

func (m *member) isLeaving() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.leaving
}

func (m *member) leave() {
	m.mu.Lock()
	m.leaving = true
	m.mu.Unlock()
	if m.url == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	_ = m.write(ctx, map[string]any{"type": "leave"})
	m.mu.Lock()
	conn := m.conn
	m.mu.Unlock()
	_ = conn.Close(websocket.StatusNormalClosure, "")
}
