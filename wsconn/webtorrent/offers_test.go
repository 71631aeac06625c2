package webtorrent

import (
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn"
)

func TestOffersWithoutAnOfferAreNotPassedOn(t *testing.T) {
	s, _ := serve(t, Options{}, nil)
	enter(s, swarm, ann)
	b := enter(s, swarm, bob)
	before := s.Hub.Stats().Messages[wire.TypeMessage].Load()
	say(b, swarm, bob, `,"offers":[{},{},{"offer_id":"x"},{"offer":1}]`)
	told(b, swarm, 0, 2)
	if n := s.Hub.Stats().Messages[wire.TypeMessage].Load() - before; n != 1 {
		t.Errorf("%d messages were passed on, want 1", n)
	}
}

func TestEachOfferIsAMessageForTheLimit(t *testing.T) {
	s, _ := serve(t, Options{}, func(o *wsconn.Options) { o.Rate, o.Burst = 20, 1 })
	enter(s, swarm, ann)
	b := enter(s, swarm, bob)
	begun := time.Now()
	say(b, swarm, bob, `,"offers":[`+strings.Repeat(`{"offer":1},`, 10)+`{"offer":1}]`)
	told(b, swarm, 0, 2)
	if took := time.Since(begun); took < 490*time.Millisecond {
		t.Errorf("11 offers took %s, at 20 messages a second", took)
	}
}
