package main

import (
	"context"
	"time"

	"github.com/coder/websocket"
)

// A member whose connection is lost resumes, where the server offers that: it
// tries again every resumePause for resumeTime.
const (
	resumePause = 200 * time.Millisecond
	resumeTime  = 15 * time.Second
)

// note remembers a message until it is known to have reached the server, and
// reports whether to ask with a ping.
func (m *member) note(p payload) (ask bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session == "" {
		return false
	}
	m.unsure = append(m.unsure, p)
	if m.pinged > 0 {
		return false
	}
	m.pinged = len(m.unsure)
	return true
}

// confirmed takes the answer to the ping under way: what was sent before it has
// reached the server.
func (m *member) confirmed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unsure = m.unsure[m.pinged:]
	m.pinged = 0
}

func (m *member) resumable() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.session != ""
}

// lost resumes after the connection has ended, or counts a fault.
func (m *member) lost(reason error) {
	if m.isLeaving() {
		return
	}
	m.sending.Lock()
	defer m.sending.Unlock()
	m.mu.Lock()
	// The server may have got these, or not: the connection took the answer with it.
	m.ledger.unsure(m.unsure)
	m.unsure, m.pinged = nil, 0
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), resumeTime)
	defer cancel()
	for m.resumable() && ctx.Err() == nil {
		if m.resume(ctx) == nil {
			return
		}
		time.Sleep(resumePause)
	}
	m.ledger.fault("connection lost", "%s: %v", m.id, reason)
}

func (m *member) resume(ctx context.Context) error {
	conn, _, err := websocket.Dial(ctx, m.url, nil)
	if err != nil {
		return err
	}
	conn.SetReadLimit(-1)
	m.mu.Lock()
	m.conn = conn
	session, had := m.session, m.had
	m.mu.Unlock()
	if err := m.write(ctx, map[string]any{"type": "resume", "session": session, "received": had}); err != nil {
		return err
	}
	go m.read(conn)
	return nil
}
