package crowd

import (
	"time"

	"github.com/parley-rtc/parley/cmd/soak/internal/credential"
	"github.com/parley-rtc/parley/cmd/soak/internal/dialect"
)

// renewPause is the time until a token is looked for again that could not be renewed,
// in nanoseconds.
const renewPause = int64(time.Second)

// entry returns what the member says to be let in, and schedules the renewal of its
// token.
func (m *member) entry() *dialect.Entry {
	c := m.worker().crowd
	t := c.Credentials.Token(m.turn, m.room.name, m.id)
	m.token = t.Text
	m.renewAt(t)
	return &dialect.Entry{Room: m.room.name, ID: m.id, Token: t.Text, Passcode: c.Credentials.Passcode(), Changes: c.Changes}
}

// renewAt schedules the renewal of a token, at a random moment: tokens that were
// issued together are not renewed together.
func (m *member) renewAt(t credential.Token) {
	if t.Renew.IsZero() {
		return
	}
	w := m.worker()
	spread := t.Expires.Sub(t.Renew) / 2
	due := t.Renew.Sub(w.crowd.Start) + time.Duration(w.random.Float64()*float64(spread))
	w.wheel.add(int64(due), event{do: renew, member: m, gen: m.gen})
}

// renew gives the server a fresh token.
func (m *member) renew(due int64) {
	w := m.worker()
	t := w.crowd.Credentials.Token(m.turn, m.room.name, m.id)
	if t.Text == m.token || m.link == nil || m.state != present {
		w.wheel.add(due+renewPause, event{do: renew, member: m, gen: m.gen})
		return
	}
	m.token = t.Text
	l := letter{sort: renewal}
	m.put(&l)
	w.touch(m.link)
	m.note(l, due)
	m.renewAt(t)
}
