package actor

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// Picks of one seed are different members, never the sender, and reach each of the others
// once; one too many is nobody. Over seeds each of the others comes first as often.
func TestPick(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &room{}
		for i := range rapid.IntRange(1, 40).Draw(t, "members") {
			r.members = append(r.members, &member{room: r, id: fmt.Sprintf("%02d", i)})
		}
		from := rapid.SampledFrom(r.members).Draw(t, "sender")
		seed := rapid.Uint64().Draw(t, "seed")
		seen := map[*member]bool{from: true}
		for nth := range len(r.members) - 1 {
			m := Pick{Seed: seed, Nth: uint64(nth)}.of(from)
			if m == nil || seen[m] {
				t.Fatalf("pick %d of %d is %v, which was picked before", nth, len(r.members), m)
			}
			seen[m] = true
		}
		if m := (Pick{Seed: seed, Nth: uint64(len(r.members) - 1)}).of(from); m != nil {
			t.Fatalf("there are not so many others, and %s is picked", m.id)
		}
	})
}

func TestPickIsFair(t *testing.T) {
	r := &room{}
	for i := range 8 {
		r.members = append(r.members, &member{room: r, id: fmt.Sprint(i)})
	}
	seeds := rand.New(rand.NewPCG(1, 2))
	for nth := range uint64(7) {
		times := map[string]int{}
		for range 7 * 1000 {
			times[Pick{Seed: seeds.Uint64(), Nth: nth}.of(r.members[3]).id]++
		}
		for id, n := range times {
			if len(times) != 7 || n < 700 || n > 1300 {
				t.Errorf("pick %d is %s %d times of 7,000", nth, id, n)
			}
		}
	}
}
