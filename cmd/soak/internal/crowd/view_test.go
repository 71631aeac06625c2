package crowd

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/cmd/soak/internal/dialect"
)

// stage is a room whose members have been in for 30 s.
type stage struct {
	*room
	crowd *Crowd
}

func newStage(t *testing.T, members int) *stage {
	t.Helper()
	d, err := dialect.Find("parley")
	if err != nil {
		t.Fatal(err)
	}
	c := &Crowd{Options: Options{Dialect: d, Changes: true, Start: time.Now().Add(-50 * time.Second)}, name: "soak"}
	w := &worker{crowd: c, tally: NewTally(), random: rand.New(rand.NewPCG(1, 1))}
	c.workers = []*worker{w}
	s := &stage{c.newRoom(0), c}
	s.grow(members)
	for _, m := range s.members {
		m.gen = 1
		m.enter(10, 20)
	}
	return s
}

// enter makes the member a member that asked at a time and was in at another, in
// seconds.
func (m *member) enter(asked, entered int64) {
	m.born(asked * 1e9)
	m.view = view{floor: asked * 1e9}
	m.full, m.session, m.had = true, "s", 2
	m.is(joining)
	m.is(present)
	m.life().entered = entered * 1e9
}

// list has a member told of members by their numbers; changes of changes.
func (s *stage) list(to int, numbers ...int) {
	m := s.members[to]
	m.told(&dialect.Event{Type: dialect.Members, Members: s.ids(numbers)}, 0)
}

func (s *stage) ids(numbers []int) []byte {
	var ids []string
	for _, n := range numbers {
		ids = append(ids, fmt.Sprintf("%q", s.members[n].id))
	}
	return []byte("[" + strings.Join(ids, ",") + "]")
}

// faults returns the faults so far, and forgets them.
func (s *stage) faults() string {
	var all []string
	for _, m := range s.members {
		m.settleDoubts()
	}
	for _, k := range s.crowd.Faults.Kinds() {
		all = append(all, fmt.Sprintf("%s %d", k.Kind, k.Count))
	}
	s.crowd.Faults = Faults{}
	return strings.Join(all, ", ")
}

func (s *stage) want(t *testing.T, faults string) {
	t.Helper()
	if got := s.faults(); got != faults {
		t.Errorf("%q, want %q", got, faults)
	}
}

// Nobody is dropped more often than its memberships have ended.
func TestFlaps(t *testing.T) {
	s := newStage(t, 3)
	s.list(0, 0, 1, 2)
	s.list(0, 0, 1)
	s.want(t, "flap 1")
	s.list(0, 0, 1, 2)
	s.want(t, "")

	// One that leaves and comes back may be dropped once, or never where lists fold.
	two := s.members[2]
	two.gone()
	s.list(0, 0, 1)
	two.gen++
	two.enter(51, 52)
	s.list(0, 0, 1, 2)
	s.want(t, "")
	s.list(0, 0, 1)
	s.want(t, "flap 1")
}

// One without a connection is in until it can't resume.
func TestFlapsOfTheLost(t *testing.T) {
	for _, resumes := range []bool{true, false} {
		s := newStage(t, 3)
		s.list(0, 0, 1, 2)
		two := s.members[2]
		two.is(lost)
		s.list(0, 0, 1)
		s.want(t, "")
		if resumes {
			two.is(present)
			two.vindicated()
			s.want(t, "flap 1")
		} else {
			two.gone()
			s.want(t, "")
			two.gen++
			two.enter(51, 52)
			s.list(0, 0, 1, 2)
			s.list(0, 0, 1)
			s.want(t, "flap 1")
		}
	}
}

// Lists do not go back in time: who has left and not joined again does not come back.
func TestListsGoBack(t *testing.T) {
	s := newStage(t, 3)
	s.list(0, 0, 1, 2)
	s.members[2].gone()
	s.list(0, 0, 1)
	s.want(t, "")
	// The first return may be an old list that was under way; it is a fault as soon as
	// the member has not asked to join for some time.
	s.members[0].life().asked = 100e9
	s.list(0, 0, 1, 2)
	s.want(t, "membership 1")
}

// Whoever was in before the list was made is listed, and whoever left long before is
// not.
func TestListsAreComplete(t *testing.T) {
	s := newStage(t, 3)
	s.list(0, 0, 1) // it may have been made before 2 was in
	s.want(t, "")
	s.members[0].view.floor = 30e9
	s.list(0, 0, 1)
	s.want(t, "membership 1")
	s.list(0, 0, 1, 2)
	s.want(t, "")
	two := s.members[2]
	two.is(leaving)
	two.life().ended, two.life().over = 40e9, 41e9
	s.members[0].view.floor = 45e9
	s.list(0, 0, 1, 2)
	s.want(t, "")
	s.members[0].view.floor = 47e9
	s.list(0, 0, 1, 2)
	s.want(t, "membership 1")
}

// A doubt lasts its whole time, also where an earlier one about the same member was
// settled while its event waited.
func TestDoubtsLast(t *testing.T) {
	s := newStage(t, 3)
	zero := s.members[0]
	zero.view.floor = 30e9
	s.list(0, 0, 1)
	first := zero.view.doubts[2].since
	s.list(0, 0, 1, 2)
	for s.crowd.now() <= first {
	}
	s.list(0, 0, 1)
	d := zero.view.doubts[2]
	zero.doubtDue(2, first+doubtTime)
	if s.crowd.Faults.Kinds() != nil {
		t.Error("a doubt was settled with the time of an earlier one")
	}
	zero.doubtDue(2, d.since+doubtTime)
	if s.crowd.Faults.Kinds() == nil {
		t.Error("a doubt was not settled in its time")
	}
}

// Changes are held against the list that they change, as lists are.
func TestChanges(t *testing.T) {
	for _, c := range []struct {
		name                   string
		joined, left, rejoined []int
		count                  int
		want                   string
		prepare                func(s *stage)
	}{
		{"one more", []int{2}, nil, nil, 3, "", nil},
		{"one more, wrongly counted", []int{2}, nil, nil, 2, "membership 1", nil},
		{"one who was there", []int{1}, nil, nil, 2, "membership 1", nil},
		{"one less", nil, []int{1}, nil, 1, "", func(s *stage) { s.members[1].gone() }},
		{"one less who is there", nil, []int{1}, nil, 1, "flap 1", nil},
		{"one less who was not there", nil, []int{2}, nil, 2, "membership 1", nil},
		{"one again", nil, nil, []int{1}, 2, "", func(s *stage) {
			s.members[1].gone()
			s.members[1].gen++
			s.members[1].enter(51, 52)
		}},
		{"one again who has been there", nil, nil, []int{1}, 2, "flap 1", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, 3)
			s.list(0, 0, 1)
			if c.prepare != nil {
				c.prepare(s)
			}
			e := dialect.Event{Type: dialect.Changes, Count: c.count}
			for to, numbers := range map[*[]byte][]int{&e.Joined: c.joined, &e.Left: c.left, &e.Rejoined: c.rejoined} {
				if numbers != nil {
					*to = s.ids(numbers)
				}
			}
			s.members[0].changed(&e, 0)
			s.want(t, c.want)
		})
	}
	s := newStage(t, 2)
	s.members[0].changed(&dialect.Event{Type: dialect.Changes}, 0)
	s.want(t, "membership 1")
}

// A member that is said not to be there is not there if its session is over, and there if it
// resumes or stays.
func TestDenials(t *testing.T) {
	denied := func(s *stage) *member {
		s.members[1].deny(s.members[0], &dialect.Event{Code: []byte("target_not_found")})
		return s.members[1]
	}
	s := newStage(t, 2)
	denied(s)
	s.want(t, "refused 1")

	one := denied(s)
	one.is(lost)
	one.denialsDue(one.denials[0].since + doubtTime)
	s.want(t, "")
	one.is(present)
	one.vindicated()
	s.want(t, "refused 1")

	one = denied(s)
	one.is(lost)
	one.gone()
	s.want(t, "")

	s = newStage(t, 2)
	one = denied(s)
	one.denialsDue(one.denials[0].since + doubtTime - 1)
	if s.crowd.Faults.Kinds() != nil {
		t.Error("blamed too early")
	}
	one.denialsDue(one.denials[0].since + doubtTime)
	if s.crowd.Faults.Kinds() == nil {
		t.Error("not blamed in time")
	}
}
