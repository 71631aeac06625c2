package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/hub"
)

// A member is known soon, and forgotten some time after it was seen last: a
// connection that is lost for a moment, or a hub that does not answer, is no end.
func TestPresence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		there, down := []hub.ClientInfo{{ID: "ann"}, {ID: ""}}, false
		p := newPresence(func(context.Context) ([]hub.ClientInfo, error) {
			if down {
				return nil, errors.New("down")
			}
			return there, nil
		})
		has := func(id string) bool {
			p.has(id) // may have a look taken
			synctest.Wait()
			return p.has(id)
		}
		if !has("ann") || has("bob") || has("") {
			t.Error("ann alone is there")
		}
		there = nil
		time.Sleep(presentInterval)
		if !has("ann") {
			t.Error("ann was away for a moment")
		}
		there = []hub.ClientInfo{{ID: "ann"}}
		time.Sleep(presentInterval)
		has("ann")
		down = true
		time.Sleep(presentGrace - time.Second)
		if !has("ann") {
			t.Error("the hub was away for a moment")
		}
		time.Sleep(time.Second)
		if has("ann") {
			t.Error("ann is gone")
		}
		down = false
		time.Sleep(presentInterval)
		if !has("ann") {
			t.Error("ann is back")
		}
	})
}
