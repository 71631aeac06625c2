package actor

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A batch takes the commands that wait, in their order, and no more than maxBatch of
// them, so that what they bring leaves in good time.
func TestBatchIsBounded(t *testing.T) {
	for _, waiting := range []int{0, 1, 100, maxBatch - 1, maxBatch, 2 * maxBatch} {
		l := still(Options{})
		l.hub.commands = make(chan Command, 2*maxBatch)
		var applied []int
		number := func(i int) Command {
			return ask[int]{func(*loop) int { applied = append(applied, i); return i }, make(chan int, 1)}
		}
		for i := range waiting {
			l.hub.commands <- number(i + 1)
		}
		l.batch(number(0))
		if want := min(waiting+1, maxBatch); len(applied) != want || len(l.hub.commands) != waiting+1-want || !slices.IsSorted(applied) {
			t.Errorf("%d of %d waiting commands were applied, %d are left", len(applied)-1, waiting, len(l.hub.commands))
		}
	}
}

// A listing of connections has each once, sorted by their numbers, with its room.
func TestClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Options{})
		defer h.Close()
		start := time.Now()
		const clients = 2*sliceSize + 3
		for i := range clients {
			o := new(Outbox)
			o.Init(new(sink), h.Stats, 1<<20)
			h.do(t, Register{NewClient(uint64(clients-i), netip.Addr{}, o)})
		}
		p := newPeer(t, h, quietLimit)
		p.client.conn = clients + 1
		p.join("r", "p")
		all, err := h.Clients(t.Context())
		if err != nil || len(all) != clients+1 {
			t.Fatalf("%d clients of %d, %v", len(all), clients+1, err)
		}
		for i, c := range all {
			want := ClientInfo{Conn: uint64(i + 1), Opened: start}
			if i == clients {
				want.Room, want.ID, want.Backlog = "r", "p", c.Backlog
			}
			if c != want {
				t.Errorf("got %+v, want %+v", c, want)
			}
		}
	})
}

func TestAConnectionIsListedForEachOfItsRooms(t *testing.T) {
	h := newHub(t, Options{})
	for _, room := range []string{"r", "s", ""} {
		p := newPeer(t, h, quietLimit)
		p.client.conn = 5
		if room != "" {
			p.join(room, "a")
		}
	}
	for _, conn := range []uint64{4, 6} {
		newPeer(t, h, quietLimit).client.conn = conn
	}
	all, err := h.Clients(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range all {
		got = append(got, fmt.Sprint(c.Conn, c.Room))
	}
	if want := []string{"4", "5r", "5s", "6"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
