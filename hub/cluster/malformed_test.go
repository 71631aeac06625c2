package cluster

import (
	"context"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/calls"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/stats"
	"github.com/parley-rtc/parley/hub/wire"
)

// The room that records of these tests are about, and its partition.
const aRoom = "room"

var aPart = PartitionOf(aRoom)

// stillNode is a node whose edge and owner do only what a test has them do. It has a link to
// a node b.
type stillNode struct {
	*Node
	owner  *owner
	link   *link
	logged *observer.ObservedLogs
}

func newStillNode(t testing.TB, version int) *stillNode {
	core, logged := observer.New(zap.ErrorLevel)
	rooms := actor.Options{TrackCalls: true, PartitionOf: PartitionOf, Stats: new(stats.Hub), Current: new(atomic.Pointer[actor.Limits])}
	rooms.Current.Store(&actor.Limits{ResumeWindow: window, KickBan: time.Minute})
	n := &Node{
		options: Options{Name: "a", QueueBytes: 1 << 20, LinkBytes: 1 << 20, Logger: zap.New(core), Backplane: newMemory().join("a"), wire: wireMax},
		stop:    make(chan struct{}), inbox: make(chan any, 64), started: time.Now(),
		links: map[uint64]*link{}, requests: map[uint64]chan<- []byte{}, stats: rooms.Stats,
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	before := broken
	broken = func(string) {} // what is well formed may make no sense all the same
	o := newOwner(n)
	rooms.TellNodes, rooms.Taken, rooms.Arrived = o.tellNodes, o.taken, o.arrived
	o.hub = actor.New(rooms)
	n.rooms, n.hub, n.edge = rooms, o.hub, newEdge(n)
	n.edge.nextKey = 0
	l := n.connect(1, "b", nodeEntry{Incarnation: 2, Max: version}, o)
	o.peers[l] = &peer{link: l, clients: map[uint64]*remoteClient{}}
	t.Cleanup(func() {
		n.closeOnce.Do(func() { close(n.stop) })
		n.cancel()
		l.close()
		n.stopped.Wait()
		o.hub.Close()
		broken = before
	})
	return &stillNode{n, o, l, logged}
}

// unread is a connection that takes what is written to it.
type unread struct{ out actor.Outbox }

func (*unread) Wake()                   {}
func (*unread) Closing()                {}
func (*unread) Probe()                  {}
func (*unread) Challenge(time.Duration) {}
func (*unread) Abort()                  {}

// Keys of the connections of edgeWithClients, and of an owner's.
const (
	keyIn = 1 + iota
	keyJoining
	keyResuming
	keyNone
)

// withClients gives the edge a connection that is in a room of b's, one that joins there, and
// one that resumes.
func (n *stillNode) withClients() *edge {
	e := n.edge
	e.parts[aPart].owner, e.parts[aPart].epoch, e.parts[aPart].ready = n.link, 1, true
	connect := func() *edgeClient {
		u := new(unread)
		u.out.Init(u, &counters, 1<<20)
		c := actor.NewClient(1, netip.Addr{}, &u.out)
		e.register(c)
		return e.clients[c]
	}
	join := func() *edgeClient {
		t := connect()
		e.joinAtOwner(t, &actor.Join{
			Client: t.client, Room: aRoom, ID: "ann", Key: "k", Session: actor.NewSession(uint16(aPart)), Asked: actor.Asked{At: time.Now()},
			Welcome: frame.Text([]byte(`{"type":"joined"}`)), Done: make(chan bool, 1),
		})
		return t
	}
	e.in(join())
	join()
	t := connect()
	e.resumeAtOwner(t, &actor.Resume{Client: t.client, Session: actor.NewSession(uint16(aPart)), Done: make(chan actor.Resumed, 1)})
	return e
}

// withMember gives the owner a room with a member of b's, whose partition takes commands or is
// being recovered.
func (n *stillNode) withMember(state partState) {
	o := n.owner
	o.parts[aPart] = part{epoch: 1, state: partReady}
	o.peers[n.link].attaching[aPart] = 1
	o.do([]actor.Command{actor.Own{Partition: aPart, Epoch: 1}}, nil)
	n.takes(ownerRecords(n.link.version)["join"])
	o.parts[aPart].state = state
	o.parts[aPart].waiting = map[*link]bool{}
}

// takes has the owner take a record from b, and waits until the hub has carried it out.
func (n *stillNode) takes(b []byte) {
	made := &batch{o: n.owner, pe: n.owner.peers[n.link]}
	made.take(record{b})
	n.owner.do(made.commands, func(batch uint64) {
		for _, f := range made.after {
			f(batch)
		}
	})
	n.settles()
}

// settles waits until the hub has nothing to do.
func (n *stillNode) settles() { _, _ = n.owner.hub.Rooms(n.ctx) }

// written returns a record of what f writes.
func written(version int, kind byte, f func(w *writer)) []byte {
	w := &writer{b: []byte{kind}, version: version}
	f(w)
	return w.b
}

// aMember is one of the room.
func aMember(id string) *actor.Membership {
	return &actor.Membership{
		Room: aRoom, ID: id, Name: "n", Meta: []byte(`{}`), Session: actor.NewSession(uint16(aPart)), Joined: time.Now(), Handled: 1, Key: "k",
		Grant: &actor.Grant{Rights: wire.DefaultRights | wire.MayModerate, Subject: id, Expires: time.Now().Add(time.Hour)},
		Turn:  actor.Turn{Epoch: 1, Count: 2}, Asked: time.Now().Add(-time.Second),
	}
}

// edgeRecords are records of each kind that an edge may get.
func edgeRecords(version int) map[string][]byte {
	frames := []*frame.Frame{frame.Text([]byte(`{"type":"resumed"}`))}
	part := func(w *writer) { w.number(uint64(aPart)); w.number(1) }
	key := func(w *writer) { w.fixed(keyIn) }
	return map[string][]byte{
		"own": written(version, recOwn, part), "ready": written(version, recReady, part), "disown": written(version, recDisown, part),
		"settled": written(version, recSettled, part), "confirm": written(version, recConfirm, func(w *writer) { w.number(1) }),
		"welcome": written(version, recFrame, func(w *writer) {
			w.flag(true)
			w.flag(true)
			w.turn(actor.Turn{Epoch: 1, Count: 1})
			w.fixed(keyJoining)
			w.number(1)
			w.bytes([]byte(`{"type":"joined"}`))
			w.fixed(keyJoining)
			w.number(1)
		}),
		"adopt": written(version, recAdopt, func(w *writer) {
			w.fixed(keyResuming)
			w.membership(aMember("ann"))
			w.turn(actor.Turn{Epoch: 1, Count: 1})
			w.number(0)
			w.frames(frames)
			w.seen(map[uint64]uint64{7: 1})
		}),
		"close":     written(version, recClose, func(w *writer) { key(w); w.number(uint64(wire.CloseKicked)); w.text("kicked") }),
		"challenge": written(version, recChallenge, func(w *writer) { key(w); w.number(uint64(time.Second)) }),
		"left":      written(version, recLeft, key),
		"meta": written(version, recMeta, func(w *writer) {
			w.meta(&actor.RoomMeta{Room: aRoom, Locked: true, Opened: time.Now(), Bans: map[string]time.Time{"bob": time.Now()}})
		}),
		"returned": written(version, recReturned, func(w *writer) { key(w); w.number(1) }),
		"taken":    written(version, recTaken, func(w *writer) { w.fixed(keyJoining); w.number(1); w.number(1); w.number(1) }),
	}
}

// ownerRecords are records of each kind that an owner may get.
func ownerRecords(version int) map[string][]byte {
	r := frame.Refused{Re: "kick", To: "bob", Ref: "1"}
	text := []byte(`{"type":"pong"}`)
	records := map[string][]byte{}
	add := func(name string, kind byte, key uint64, f func(w *writer)) {
		w := &writer{version: version}
		w.head(kind, commandHead{aPart, key, 2})
		f(w)
		records[name] = w.b
	}
	client := func(w *writer) { w.number(1); w.text("192.0.2.1") }
	add("join", recJoin, keyIn, func(w *writer) {
		client(w)
		w.membership(aMember("ann"))
		w.number(10)
		w.flag(true)
		w.refused(r)
		w.bytes([]byte(`{"type":"joined"}`))
		w.after(actor.Turn{})
	})
	add("resume", recResume, keyNone, func(w *writer) {
		client(w)
		w.text(aMember("ann").Session)
		w.number(1)
		w.number(1000)
		w.refused(r)
		w.after(actor.Turn{})
	})
	add("attach", recAttach, keyNone, func(w *writer) {
		m := aMember("bob")
		client(w)
		w.membership(m)
		w.turn(m.Turn)
		w.ago(m.Asked)
		w.flag(false)
		w.number(0)
		w.number(1)
		w.frames([]*frame.Frame{frame.Text(text)})
		w.seen(map[uint64]uint64{7: 1})
	})
	add("room", recRoom, 0, func(w *writer) { w.meta(&actor.RoomMeta{Room: aRoom, Bans: map[string]time.Time{"bob": time.Now()}}) })
	for audience := range actor.NumAudiences {
		add("forward "+string(rune('0'+audience)), recForward, keyIn, func(w *writer) {
			w.number(uint64(wire.TypeOffer))
			w.number(uint64(audience))
			if actor.Audience(audience) == actor.ToAny {
				w.fixed(1)
				w.number(0)
			}
			w.text("ann")
			w.text("1")
			w.bytes([]byte(`{"type":"offer","sdp":""}`))
		})
	}
	add("leave", recLeave, keyIn, func(*writer) {})
	add("rename", recRename, keyIn, func(w *writer) { w.text("n"); w.refused(r) })
	add("update", recUpdate, keyIn, func(w *writer) { w.bytes([]byte(`{}`)); w.refused(r) })
	add("renew", recRenew, keyIn, func(w *writer) {
		w.grant(aMember("ann").Grant)
		w.text("n")
		w.bytes([]byte(`null`))
		w.bytes(text)
		w.refused(r)
	})
	add("reply", recReply, keyIn, func(w *writer) { w.bytes(text) })
	add("count", recCount, keyIn, func(w *writer) { w.bytes([]byte(`{}`)); w.refused(r); w.bytes(text) })
	add("refuse", recRefuse, keyIn, func(w *writer) { w.refusal(actor.ErrNotJoined); w.refused(r) })
	add("report", recReport, keyIn, func(w *writer) { w.text("bob"); w.refused(r); w.json(new(wire.Report)) })
	add("kick", recKick, keyIn, func(w *writer) { w.refused(r); w.text("bob") })
	add("lock", recLock, keyIn, func(w *writer) { w.refused(r); w.flag(true) })
	add("end", recEnd, keyIn, func(w *writer) { w.text("lost"); w.flag(true) })
	add("handled", recHandled, keyIn, func(*writer) {})
	add("acked", recAcked, keyIn, func(w *writer) { w.number(1) })
	add("depart", recDepart, keyIn, func(w *writer) { w.text(aMember("ann").Session) })
	for name, kind := range map[string]byte{"attaching": recAttaching, "attached": recAttached} {
		records[name] = written(version, kind, func(w *writer) { w.number(uint64(aPart)); w.number(1) })
	}
	return records
}

// aHandover is what an owner hands over, for an epoch: a member with a session, and a call.
func aHandover(version int, epoch uint64, session string, call calls.Record) []byte {
	m := *aMember("ann")
	m.Session = session
	out := &remote{limit: 1 << 20, lost: true, resumable: true, seen: actor.NewSeen(window)}
	out.Send(frame.Text([]byte(`{"type":"joined"}`)), 0)
	m.Out, m.Expires = out, time.Now().Add(time.Second)
	w := &writer{version: version}
	w.handover(aPart, epoch, actor.Exported{
		Rooms:   []actor.RoomMeta{{Room: aRoom, Locked: true, Bans: map[string]time.Time{"bob": time.Now().Add(time.Hour)}}},
		Members: []actor.Membership{m}, Calls: []calls.Record{call},
	})
	return w.b
}

// A record that is cut short is refused, with one line in the log, and no part of it is carried
// out: nothing more is taken from its link.
func TestCutRecords(t *testing.T) {
	refused := func(t *testing.T, n *stillNode, what string) {
		t.Helper()
		if lines := n.logged.FilterMessage(EventUnreadable).Len(); lines != 1 || !n.link.isRefused() {
			t.Errorf("%s: %d lines in the log; refused %v", what, lines, n.link.isRefused())
		}
	}
	for name, whole := range edgeRecords(wireMax) {
		t.Run(name, func(t *testing.T) {
			for size := 1; size < len(whole); size++ {
				n := newStillNode(t, wireMax)
				e := n.withClients()
				states := map[uint64]clientState{}
				for key, c := range e.keys {
					states[key] = c.state
				}
				e.take(recordsOf(n.link, whole[:size], edgeRecords(wireMax)["close"]))
				refused(t, n, name)
				for key, state := range states {
					if c := e.keys[key]; c == nil || c.state != state {
						t.Fatalf("%d bytes of %d have changed client %d", size, len(whole), key)
					}
				}
			}
			n := newStillNode(t, wireMax)
			if n.withClients().take(recordsOf(n.link, whole)); n.link.isRefused() {
				t.Error("the whole record is refused")
			}
		})
	}
	for name, whole := range ownerRecords(wireMax) {
		t.Run(name, func(t *testing.T) {
			for size := 1; size < len(whole); size++ {
				n := newStillNode(t, wireMax)
				n.withMember(partReady)
				handled := n.stats.Members.Load()
				n.takes(whole[:size])
				refused(t, n, name)
				if now := n.stats.Members.Load(); now != handled {
					t.Fatalf("%d bytes of %d have changed the members from %d to %d", size, len(whole), handled, now)
				}
			}
			n := newStillNode(t, wireMax)
			n.withMember(partReady)
			if n.takes(whole); n.link.isRefused() {
				t.Error("the whole record is refused")
			}
		})
	}
	t.Run("hand-over", func(t *testing.T) {
		for _, b := range [][]byte{
			aHandover(wireMax, 2, "", calls.Record{}), aHandover(wireMax, 2, actor.NewSession(uint16(aPart+1)), calls.Record{}),
			aHandover(wireMax, 2, actor.NewSession(uint16(aPart)), calls.Record{Samples: [2]calls.Samples{{Stride: 2}}}),
		} {
			n := newStillNode(t, wireMax)
			n.control.n, n.control.owner = n.Node, n.owner
			n.control.packet(recordsOf(n.link, b))
			refused(t, n, "a hand-over that no owner makes")
		}
		whole := aHandover(wireMax, 2, actor.NewSession(uint16(aPart)), calls.Record{})
		for size := 1; size <= len(whole); size++ {
			n := newStillNode(t, wireMax)
			n.control.n, n.control.owner = n.Node, n.owner
			n.control.packet(recordsOf(n.link, whole[:size]))
			if in := n.owner.parts[aPart].inherited; (in != nil) != (size == len(whole)) {
				t.Fatalf("%d bytes of %d: inherited %v", size, len(whole), in)
			}
			if size < len(whole) {
				refused(t, n, "hand-over")
			} else if n.link.isRefused() {
				t.Error("the whole record is refused")
			}
		}
	})
}
