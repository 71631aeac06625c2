package cluster

import (
	"encoding/binary"
	"encoding/json"
	"slices"
	"testing"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/calls"
	"github.com/parley-rtc/parley/hub/wire"
)

// Whatever another node sends, of any version: it ends no goroutine of this one, and holds none up.

func FuzzEdgeRecord(f *testing.F) {
	for version := wireMin; version <= wireMax; version++ {
		for _, b := range edgeRecords(version) {
			f.Add(byte(version), b)
			if b = slices.Clone(b); len(b) > 9 { // about another connection
				b[1] = keyIn + keyResuming - b[1]
				f.Add(byte(version), b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, version byte, b []byte) {
		if len(b) == 0 {
			return // no record, see FuzzPacket
		}
		n := newStillNode(t, wireMin+int(version)%wireMax)
		e := n.withClients()
		e.take(recordsOf(n.link, b))
		e.finish()
		e.lost(n.link)
	})
}

func FuzzOwnerRecord(f *testing.F) {
	for version := wireMin; version <= wireMax; version++ {
		for _, b := range ownerRecords(version) {
			f.Add(byte(version), false, b)
			f.Add(byte(version), true, b)
		}
		forward := func(kind, audience uint64, payload string) {
			w := &writer{version: version}
			w.head(recForward, commandHead{aPart, keyIn, 2})
			w.number(kind)
			w.number(audience)
			w.text("ann")
			w.text("")
			w.text(payload)
			f.Add(byte(version), false, w.b)
		}
		forward(200, uint64(actor.ToOne), `{}`)
		forward(uint64(wire.TypeMessage), 200, `{}`)
		forward(uint64(wire.TypeMessage), uint64(actor.ToAll), "")
	}
	f.Fuzz(func(t *testing.T, version byte, recovering bool, b []byte) {
		if len(b) == 0 {
			return
		}
		n := newStillNode(t, wireMin+int(version)%wireMax)
		state := partReady
		if recovering {
			state = partRecovering
		}
		n.withMember(state)
		n.takes(b)
		n.owner.checkReady(aPart)
		n.settles()
		exported := make(chan actor.Exported, 1)
		n.owner.release(aPart, func(out actor.Exported) { exported <- out })
		discard(<-exported)
	})
}

// What can be read of a hand-over can be handed over again.
func FuzzHandover(f *testing.F) {
	for version := wireMin; version <= wireMax; version++ {
		f.Add(byte(version), aHandover(version, 2, actor.NewSession(uint16(aPart)), calls.Record{})[1:])
		f.Add(byte(version), aHandover(version, 2, "", calls.Record{})[1:])
		f.Add(byte(version), aHandover(version, 2, actor.NewSession(uint16(aPart)), calls.Record{Samples: [2]calls.Samples{{Stride: 2}}})[1:])
	}
	f.Fuzz(func(t *testing.T, version byte, b []byte) {
		n := newStillNode(t, wireMin+int(version)%wireMax)
		r := &reader{b: b, version: n.link.version}
		p, in := r.handover(1<<20, window)
		if in == nil {
			return
		}
		n.owner.parts[p] = part{epoch: in.epoch, state: partRecovering, inherited: in}
		n.owner.checkReady(p)
		n.settles()
		exported := make(chan actor.Exported, 1)
		n.owner.release(p, func(out actor.Exported) { exported <- out })
		out := <-exported
		w := &writer{version: wireMax}
		w.handover(p, in.epoch, out)
		again, back := (&reader{b: w.b[1:], version: wireMax}).handover(1<<20, window)
		if again != p || back == nil || len(back.Members) != len(out.Members) || len(back.Rooms) != len(out.Rooms) {
			t.Errorf("of partition %d with %d members and %d rooms came %d and %+v", p, len(out.Members), len(out.Rooms), again, back)
		}
		discard(out)
		if back != nil {
			discard(back.Exported)
		}
	})
}

// A packet that is no packet, or carries no records, is not taken.
func FuzzPacket(f *testing.F) {
	whole := binary.LittleEndian.AppendUint32(nil, 2)
	f.Add(packetData, uint64(1), uint64(0), append(whole, recMeta, 0))
	f.Add(packetData, uint64(1), uint64(0), whole)
	f.Add(packetData, uint64(9), uint64(1<<63), append(whole, 255, 0))
	f.Add(packetGap, uint64(0), uint64(9), whole)
	f.Add(packetAck, uint64(0), uint64(9), []byte{})
	f.Add(byte(9), uint64(0), uint64(0), []byte{})
	f.Fuzz(func(t *testing.T, kind byte, seq, ack uint64, b []byte) {
		n := newStillNode(t, wireMax)
		n.edge.mail.take()
		n.link.write(func(w *writer) { w.b = append(w.b, recConfirm, 1) })
		packet := make([]byte, headerBytes, headerBytes+len(b))
		binary.LittleEndian.PutUint64(packet, n.link.peer)
		binary.LittleEndian.PutUint64(packet[8:], n.link.own)
		packet[16] = kind
		binary.LittleEndian.PutUint64(packet[17:], seq)
		binary.LittleEndian.PutUint64(packet[25:], ack)
		packet = append(packet, b...)
		n.Node.receive(packet)
		n.Node.receive(packet[:len(packet)/2])
	})
}

// A request, and an answer to one, that make no sense hold nobody up.
func FuzzRequest(f *testing.F) {
	for _, q := range []request{
		{What: "rooms"}, {What: "room", Room: aRoom}, {What: "count", Room: aRoom, Data: json.RawMessage(`{}`)}, {What: "calls"},
		{What: "call", ID: "1"}, {What: "kick", Room: aRoom, ID: "ann"}, {What: "lock", Room: aRoom}, {What: "unlock", Room: aRoom},
		{What: "announce", Room: aRoom, Data: json.RawMessage(`{}`)}, {What: "close", Room: aRoom}, {What: "?"},
	} {
		b, err := json.Marshal(q)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"Value":[{}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var q request
		if json.Unmarshal(b, &q) == nil && (q.What == "clients" || q.What == "node") {
			return // these ask goroutines that do not run here
		}
		n := newStillNode(t, wireMax)
		n.withMember(partReady)
		w := &writer{}
		w.fixed(1)
		w.bytes(b)
		n.requested(n.link, record{append([]byte{recRequest}, w.b...)})
		n.requested(n.link, record{append([]byte{recRequest}, b...)})
		waiting := make(chan []byte, 1)
		n.requests[1] = waiting
		for range 2 {
			n.requested(n.link, record{append([]byte{recAnswer}, w.b...)})
		}
		n.requested(n.link, record{append([]byte{recAnswer}, b...)})
	})
}

// An entry of the register that makes no sense does not end a node.
func FuzzEntry(f *testing.F) {
	nodes, err := json.Marshal(nodeEntry{Incarnation: 2, State: "up", Min: wireMin, Max: wireMax, Stuck: []string{"a"}})
	if err != nil {
		f.Fatal(err)
	}
	parts, err := json.Marshal(partEntry{Node: "b", Incarnation: 2, Epoch: 3})
	if err != nil {
		f.Fatal(err)
	}
	for _, key := range []string{"node.a", "node.b", "coming.a", "part.0", "part.-1", "part.999", "other"} {
		f.Add(key, nodes)
		f.Add(key, parts)
		f.Add(key, []byte{})
		f.Add(key, []byte(`{"incarnation":-1}`))
	}
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		n, err := New(Options{Name: "a", Backplane: newMemory().join("a"), QueueBytes: 1 << 20, Hub: hub.Options{ResumeWindow: window}})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		n.changed(Entry{key, value, 1})
		n.changed(Entry{key, value, 2})
		n.call(n.post, n.control.tick)
	})
}
