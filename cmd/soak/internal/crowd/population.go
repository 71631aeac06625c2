package crowd

import "time"

// Resize makes the crowd so many rooms with so many members each. Surplus members
// leave, missing members join, spread over the ramp. It returns when the last join
// is due.
func (c *Crowd) Resize(rooms, peers int, ramp time.Duration) time.Duration {
	for len(c.rooms) < rooms {
		w := c.workers[len(c.rooms)%len(c.workers)]
		w.mu.Lock()
		c.rooms = append(c.rooms, c.newRoom(len(c.rooms)))
		w.mu.Unlock()
	}
	var missing []*member
	for n := range peers {
		for number, r := range c.rooms {
			r.worker.mu.Lock()
			if number < rooms {
				r.grow(n + 1)
				if m := r.members[n]; m.state == absent {
					missing = append(missing, m)
				}
			}
			r.worker.mu.Unlock()
		}
	}
	for _, w := range c.workers {
		w.mu.Lock()
		w.inUse = 0
		for _, r := range w.rooms {
			if r.size = 0; int(r.number) < rooms {
				r.size = peers
				w.inUse++
			}
			for _, m := range r.members[r.size:] {
				m.leave()
			}
		}
		w.mu.Unlock()
	}
	start := c.Now() + time.Duration(tick)
	if len(missing) == 0 {
		return start
	}
	for i, m := range missing {
		due := start + time.Duration(float64(ramp)*float64(i)/float64(len(missing)))
		w := m.worker()
		w.mu.Lock()
		m.slow = w.random.Float64() < w.traffic.SlowShare
		m.bad = w.random.Float64() < w.traffic.BadShare
		m.lag = w.random.Float64() < w.traffic.BadShare
		m.is(resting)
		w.wheel.add(int64(due), event{do: join, member: m, gen: m.gen})
		w.mu.Unlock()
	}
	return start + ramp
}

// GiveUp ends the joining of those whom the server has not let in; each is a fault.
func (c *Crowd) GiveUp() {
	for _, w := range c.workers {
		w.mu.Lock()
		for _, m := range w.members {
			if m.state == joining && m.link != nil {
				m.fault(NotJoined, "was not let in in time")
				m.link.conn.Close(leaveTime)
				m.gone()
			}
		}
		w.mu.Unlock()
	}
}

// Hurry makes slow readers read as fast as they can.
func (c *Crowd) Hurry() {
	for _, w := range c.workers {
		w.mu.Lock()
		for _, m := range w.members {
			if m.slow && m.link != nil {
				m.link.conn.SetPace(0)
			}
		}
		w.mu.Unlock()
	}
}

// Depart makes everybody leave.
func (c *Crowd) Depart() {
	for _, w := range c.workers {
		w.mu.Lock()
		for _, m := range w.members {
			m.leave()
		}
		w.mu.Unlock()
	}
}
