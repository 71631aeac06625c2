package main

import (
	"context"
	"sync"
	"time"

	"github.com/parley-rtc/parley/hub"
)

const (
	// presentInterval is the time between two looks at who is a member.
	presentInterval = time.Minute
	// presentGrace is how long an id counts as a member's after it was last seen: its
	// connection may be lost for a moment.
	presentGrace = 15 * time.Minute
	presentWait  = 5 * time.Second // for the hub's answer
)

// presence tells whose id is a member's, on this node or another, without waiting for
// the hub: what it tells may be some minutes old.
type presence struct {
	clients func(context.Context) ([]hub.ClientInfo, error)

	mu    sync.Mutex // guards what follows
	seen  map[string]time.Time
	asked time.Time
}

func newPresence(clients func(context.Context) ([]hub.ClientInfo, error)) *presence {
	return &presence{clients: clients, seen: make(map[string]time.Time)}
}

// has reports whether an id was a member's lately. It may be called from any goroutine.
func (p *presence) has(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Sub(p.asked) >= presentInterval {
		p.asked = now
		go p.look()
	}
	return now.Sub(p.seen[id]) < presentGrace
}

// look asks the hub who is there.
func (p *presence) look() {
	ctx, cancel := context.WithTimeout(context.Background(), presentWait)
	defer cancel()
	all, err := p.clients(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for id, last := range p.seen {
		if now.Sub(last) >= presentGrace {
			delete(p.seen, id)
		}
	}
	if err != nil {
		return // who was seen before still counts
	}
	for _, c := range all {
		if c.ID != "" {
			p.seen[c.ID] = now
		}
	}
}
