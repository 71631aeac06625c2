package actor

import (
	"testing"
	"testing/synctest"
	"time"
)

// A membership that lasts keeps in mind who sends to it, and not all who ever have.
func TestSeenForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window = 15 * time.Second
		s := NewSeen(window)
		s.Begin(map[uint64]uint64{1: 7})
		key := uint64(1)
		for range 100 {
			for range seenFew {
				key++
				s.Note(key, 1)
				if key%2 == 0 {
					s.Note(2, key)
				}
			}
			time.Sleep(window + seenSlack + time.Second)
			if !s.Has(key, 1) || s.Has(key, 2) || !s.Has(2, key-1) {
				t.Fatal("forgets what has just come")
			}
		}
		if n := len(s.All()); n > 3*seenFew {
			t.Errorf("knows %d of %d senders", n, key)
		}
		if s.Has(1, 1) {
			t.Error("knows who has sent nothing for long")
		}
		if !s.Has(2, key-1) || s.All()[2] != key-1 {
			t.Error("has forgotten who sends all the time")
		}
	})
}

// Senders are remembered for the time in which a message can be sent again.
func TestSeenKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSeen(time.Hour)
		for key := range uint64(10 * seenFew) {
			s.Note(key, 5)
			time.Sleep(time.Second)
		}
		for key := range uint64(10 * seenFew) {
			if !s.Has(key, 5) {
				t.Fatalf("has forgotten sender %d too early", key)
			}
		}
	})
}
