package actor

import (
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/stats"
)

// Whatever waits in which of several outboxes with one budget, all of it is no more than one of
// them may have.
func TestOutboxesWithABudgetHoldAsMuchAsOne(t *testing.T) {
	const fits = 40
	budget := NewBudget(fits * cost)
	var all [4]*Outbox
	for i := range all {
		all[i] = new(Outbox)
		all[i].Init(new(sink), new(stats.Hub), fits*cost)
		all[i].SetBudget(budget)
	}
	for i := range fits {
		if o := all[i%len(all)]; o.Verdict(1, cost, false) != Open || !o.Send(pong("x"), uint64(i)) {
			t.Fatalf("frame %d of %d is not taken", i, fits)
		}
	}
	for i, o := range all {
		if o.Verdict(1, cost, false) != Congested {
			t.Errorf("outbox %d takes more", i)
		}
		if o.Send(pong("x"), 1) {
			t.Errorf("outbox %d has taken more", i)
		}
		if o.Send(pong("x"), free) != true {
			t.Errorf("outbox %d does not take what is free", i)
		}
	}
	contents(all[0])
	if all[3].Verdict(1, cost, false) != Open || !all[3].Send(pong("x"), 1) {
		t.Error("nothing more is taken once one has written")
	}
	for _, o := range all {
		contents(o)
	}
	if budget.counted.Load() != 0 || budget.shared.Load() != 0 {
		t.Errorf("%d and %d are left of nothing", budget.counted.Load(), budget.shared.Load())
	}
}

func TestWhatGoesToWholeRoomsHasABudgetToo(t *testing.T) {
	budget := NewBudget(10 * cost)
	a, b := new(Outbox), new(Outbox)
	for _, o := range []*Outbox{a, b} {
		o.Init(new(sink), new(stats.Hub), 10*cost)
		o.SetBudget(budget)
	}
	n := 0
	for ; a.Send(pong("x"), 1|shared) && b.Send(pong("x"), 1|shared); n += 2 {
		if n*cost > 2*a.allowance() {
			t.Fatal("there is no bound")
		}
	}
	if n*cost < a.allowance()-2*cost || n*cost > a.allowance() {
		t.Errorf("%d bytes are taken, of %d", n*cost, a.allowance())
	}
	if !a.Overdrawn() || !b.Overdrawn() {
		t.Error("nobody is told that it is too much for long")
	}
	b.Discard()
	contents(a)
	if frames, _ := b.Take(nil, 1); len(frames) > 0 || budget.shared.Load() != 0 {
		t.Errorf("%d bytes are left of nothing", budget.shared.Load())
	}
	_, _ = a.Wrote(0, time.Now())
}

// A connection that reads is not ended for what waits in one of its rooms, as long as it takes from
// all of them what it would have to take from one; one that does not read is.
func TestAConnectionInManyRoomsIsAsSlowAsInOne(t *testing.T) {
	const rooms, fits = 50, 100 // twice the limit waits
	budget := NewBudget(fits * cost)
	var all [rooms]*Outbox
	for i := range all {
		all[i] = new(Outbox)
		all[i].Init(new(sink), new(stats.Hub), fits*cost)
		all[i].SetBudget(budget)
		for range 2 * fits / rooms {
			if !all[i].Send(pong("x"), 1|shared) {
				t.Fatal("it is not taken")
			}
		}
	}
	var marks [rooms]uint64
	for i, o := range all {
		if !o.Overdrawn() {
			t.Errorf("outbox %d is not overdrawn", i)
		}
		marks[i] = o.Mark()
	}
	for _, o := range all[:rooms/2-1] {
		contents(o)
	}
	for i, o := range all {
		if !o.Behind(marks[i]) {
			t.Fatalf("outbox %d is not behind, although less than the limit is written", i)
		}
	}
	contents(all[rooms/2-1])
	for i, o := range all {
		if o.Behind(marks[i]) {
			t.Fatalf("outbox %d is behind, although as much as the limit is written", i)
		}
	}
}
