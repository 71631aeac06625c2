package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"sync"
	"time"
)

// Times of a run.
const (
	progressEvery = 5 * time.Second
	settleTime    = 15 * time.Second // for all members to know each other
	silence       = 3 * time.Second  // in which nothing comes: nothing will come any more
	look          = 20 * time.Millisecond
)

// soak is one run.
type soak struct {
	options options
	out     io.Writer
	rooms   [][]*member // by room, then by number
	ledger  ledger
	sent    int // owned by run
}

func newSoak(o options, out io.Writer) *soak {
	s := &soak{options: o, out: out}
	run := rand.Text()[:8] // rooms of this run alone
	for r := range o.rooms {
		name := fmt.Sprintf("soak-%s-%d", run, r)
		members := make([]*member, o.peers)
		for p := range members {
			members[p] = newMember(&s.ledger, name, r, p, o.peers)
		}
		s.rooms = append(s.rooms, members)
	}
	return s
}

func (s *soak) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

// run joins, sends, waits for the last messages and leaves.
func (s *soak) run(ctx context.Context) {
	total := s.options.rooms * s.options.peers
	s.say("joining: %d members in %d rooms over %s", total, s.options.rooms, s.options.ramp)
	s.join(ctx)
	defer s.leave()
	if !s.wait(ctx, settleTime, s.settled) {
		s.membershipFaults()
		return
	}
	if s.ledger.faults() > 0 {
		return
	}
	s.say("sending: %d messages a second for %s", s.options.rate, s.options.duration)
	s.send(ctx)
	s.awaitLast(ctx)
	s.ledger.close()
}

// awaitLast waits until every message has come, or no more come.
func (s *soak) awaitLast(ctx context.Context) {
	for received := -1; received != s.ledger.received(); {
		received = s.ledger.received()
		s.wait(ctx, silence, func() bool { return s.ledger.outstanding() == 0 })
	}
}

// wait polls until is holds, and reports false if it does not in time.
func (s *soak) wait(ctx context.Context, limit time.Duration, is func() bool) bool {
	deadline := time.Now().Add(limit)
	for !is() {
		if time.Now().After(deadline) || ctx.Err() != nil {
			return false
		}
		time.Sleep(look)
	}
	return true
}

// join connects all members, spread over the ramp.
func (s *soak) join(ctx context.Context) {
	var joining sync.WaitGroup
	step := s.options.ramp / time.Duration(s.options.rooms*s.options.peers)
	start := time.Now()
	n := 0
	for p := range s.options.peers {
		for _, members := range s.rooms {
			time.Sleep(time.Until(start.Add(time.Duration(n) * step)))
			n++
			joining.Go(func() {
				if err := members[p].join(ctx, s.options.url); err != nil {
					s.ledger.fault("not joined", "%s: %v", members[p].id, err)
				}
			})
		}
	}
	joining.Wait()
}

func (s *soak) settled() bool {
	if s.ledger.faults() > 0 {
		return true
	}
	for _, members := range s.rooms {
		for _, m := range members {
			if !m.knowsAll() {
				return false
			}
		}
	}
	return true
}

func (s *soak) membershipFaults() {
	for _, members := range s.rooms {
		for _, m := range members {
			if !m.knowsAll() {
				s.ledger.fault("membership", "%s in %s saw %d of %d members", m.id, m.room, m.known(), s.options.peers)
			}
		}
	}
}

// send has the members send at the rate, room after room, pair after pair.
func (s *soak) send(ctx context.Context) {
	start := time.Now()
	report := start.Add(progressEvery)
	interval := time.Second / time.Duration(s.options.rate)
	for {
		now := time.Now()
		if now.Sub(start) >= s.options.duration || ctx.Err() != nil {
			return
		}
		due := int(now.Sub(start)/interval) + 1
		for ; s.sent < due; s.sent++ {
			s.sendOne(ctx)
		}
		if now.After(report) {
			report = report.Add(progressEvery)
			s.say("  %4.0f s: %d sent, %d received, %d faults", now.Sub(start).Seconds(), s.sent, s.ledger.received(), s.ledger.faults())
		}
		time.Sleep(time.Until(start.Add(time.Duration(s.sent) * interval)))
	}
}

// sendOne sends message number s.sent: it walks through the rooms, and in each
// room through the ordered pairs.
func (s *soak) sendOne(ctx context.Context) {
	room := s.rooms[s.sent%len(s.rooms)]
	turn := s.sent / len(s.rooms)
	from := turn % len(room)
	to := (from + 1 + turn/len(room)%(len(room)-1)) % len(room)
	kind := kinds[turn/len(room)/(len(room)-1)%len(kinds)]
	if err := room[from].send(ctx, room[to], kind); err != nil {
		s.ledger.fault("not sent", "%s to %s: %v", room[from].id, room[to].id, err)
	}
}

func (s *soak) leave() {
	var leaving sync.WaitGroup
	for _, members := range s.rooms {
		for _, m := range members {
			leaving.Go(m.leave)
		}
	}
	leaving.Wait()
}

// report prints what came of it, and reports whether all is well.
func (s *soak) report() bool {
	l := &s.ledger
	s.say("")
	s.say("members   %d in %d rooms", s.options.rooms*s.options.peers, s.options.rooms)
	s.say("messages  %d sent, %d received", s.sent, l.received())
	s.say("latency   p50 %s  p90 %s  p99 %s  p99.9 %s  max %s",
		l.latency.quantile(.5), l.latency.quantile(.9), l.latency.quantile(.99), l.latency.quantile(.999), l.latency.quantile(1))
	l.print(s.out)
	if l.faults() > 0 {
		s.say("FAIL: %d faults", l.faults())
		return false
	}
	if l.received() == 0 {
		s.say("FAIL: no message was sent")
		return false
	}
	s.say("PASS: every message came once, in order, to the right member, unchanged; all members saw the same membership")
	return true
}
