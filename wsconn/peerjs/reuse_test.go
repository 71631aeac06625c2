package peerjs

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/wsconn"
	"github.com/parley-rtc/parley/wsconn/internal/dialecttest"
	"github.com/parley-rtc/parley/wsconn/internal/sized"
)

// saying is a payload that shows when another has been written over a part of it. Some are longer
// than what is used again.
func saying(from, to string, n int) string {
	mark := fmt.Sprintf("%s>%s:%d|", from, to, n)
	size := n * n * 7 % 5000
	if n%16 == 0 {
		size = sized.Largest
	}
	return mark + strings.Repeat(mark, size/len(mark))
}

// hears reads what peers have sent to a client, sayings each, and in order, beside what has expired.
// It calls half when the client's own have come halfway.
func hears(c *dialecttest.Client, me string, peers, sayings int, half func()) error {
	next := map[string]int{}
	for left := peers * sayings; left > 0; {
		var m struct{ Type, Src, Dst, Payload string }
		if err := json.Unmarshal([]byte(c.Read()), &m); err != nil {
			return err
		}
		if m.Type == "EXPIRE" && m.Dst == me && m.Src[0] == '_' {
			continue
		}
		if want := saying(m.Src, me, next[m.Src]); m.Dst != me || m.Payload != want {
			return fmt.Errorf("%s from %s to %s, %.50s: want %.50s", m.Type, m.Src, m.Dst, m.Payload, want)
		}
		if next[m.Src]++; m.Src == me && next[me] == sayings/2 {
			half()
		}
		left--
	}
	return nil
}

// Whether its receiver is there, comes or never does: what arrives is whole, comes once and in order,
// and is what its peer has sent. The race detector sees what the texts do not show.
func TestNoMessageIsWrittenOverAnother(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), func(o *wsconn.Options, _ *hub.Options) {
		o.Rate, o.RateBytes, o.QueueBytes = -1, -1, 16<<20
	})
	const peers, sayings = 3, 64
	ids := []string{"a", "b", "c", "late"}
	there := map[string]*dialecttest.Client{}
	for _, id := range ids[:peers] {
		there[id] = open(s, id)
	}
	var done, half sync.WaitGroup
	half.Add(peers)
	for id, c := range there {
		done.Go(func() {
			for n := range sayings {
				for i, to := range append(ids, "_nobody", "_"+id) {
					typ := []string{"OFFER", "ANSWER", "CANDIDATE"}[(n+i)%3]
					c.Send(fmt.Sprintf(`{"type":"%s","dst":"%s","payload":"%s"}`, typ, to, saying(id, to, n)))
				}
			}
		})
		done.Go(func() {
			if err := hears(c, id, peers, sayings, half.Done); err != nil {
				t.Error(err)
			}
		})
	}
	half.Wait() // all have sent to the one that is late, and have been told that it is not there
	if err := hears(open(s, "late"), "late", peers, sayings, nil); err != nil {
		t.Error(err)
	}
	done.Wait()
}
