package actor

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/parley-rtc/parley/hub/event"
)

// The frames that a client of the model sees are held against those that it must see.

// receiveOne holds a frame that arrives against what the client must see.
func (m *model) receiveOne(c *modelClient) {
	f := c.inFlight[0]
	c.inFlight = c.inFlight[1:]
	c.arrived++
	defer f.Release()
	if f.IsPing() {
		c.box.Acknowledged()
		c.pinging = false
		return
	}
	var got message
	if err := json.Unmarshal(f.Payload(), &got); err != nil {
		m.t.Fatal(err)
	}
	if c.resuming != (got.Type == "resumed") {
		m.t.Fatalf("the first message on a new connection is %+v, or it comes twice", got)
	}
	c.resuming = false
	mm := c.member
	if mm == nil {
		if got.Type != "room_members" && got.Type != "room_changes" && got.Type != "resumed" { // these are of a room that it has left
			m.wantNext(&c.expected, got)
		}
		return
	}
	mm.received++
	switch got.Type {
	case "joined": // this one, or one of a membership before
		if got.Ref == mm.ref {
			mm.begun, mm.received = true, 1
		}
		m.wantNext(&mm.expected, got)
	case "resumed":
	case "room_members":
		m.told(mm, got)
	case "room_changes":
		m.changed(mm, f.Payload())
	default:
		if got.Type == "message" && mm.begun && got.Room == mm.room {
			m.fromKnown(mm, got)
		}
		m.wantNext(&mm.expected, got)
	}
}

func (m *model) told(mm *modelMember, got message) {
	if !mm.begun {
		return // of the room that it was in before
	}
	if mm.quiet {
		m.t.Fatalf("%s in %s, who is quiet, was told %+v", mm.id, mm.room, got)
	}
	if !slices.Contains(got.Members, mm.id) || got.Room != mm.room {
		m.t.Fatalf("%s in %s was told %+v", mm.id, mm.room, got)
	}
	mm.told, mm.newList, mm.listed = got, false, true
	for _, id := range got.Members {
		m.toldOf(mm, id, false)
	}
}

// changed has a member learn what has changed in its room.
func (m *model) changed(mm *modelMember, payload []byte) {
	var got struct {
		Room                   string
		Joined, Left, Rejoined []string
		Names                  map[string]string
		Meta                   map[string]json.RawMessage
		Locked                 *bool
		Count                  int
	}
	if err := json.Unmarshal(payload, &got); err != nil {
		m.t.Fatal(err)
	}
	if !mm.begun {
		return // of the room that it was in before
	}
	if mm.quiet || !mm.changes || !mm.listed || got.Room != mm.room {
		m.t.Fatalf("%s in %s (changes: %v, has a list: %v) got %s", mm.id, mm.room, mm.changes, mm.listed, payload)
	}
	t := &mm.told
	t.Names, t.Meta = maps.Clone(t.Names), maps.Clone(t.Meta)
	has := func(id string, want bool) {
		if slices.Contains(t.Members, id) != want {
			m.t.Fatalf("%s, who knows of %v, got %s", mm.id, t.Members, payload)
		}
	}
	for _, id := range got.Left {
		has(id, true)
		t.Members = slices.DeleteFunc(slices.Clone(t.Members), func(x string) bool { return x == id })
		delete(t.Names, id)
		delete(t.Meta, id)
	}
	for _, id := range got.Joined {
		has(id, false)
		t.Members = append(slices.Clone(t.Members), id)
		m.toldOf(mm, id, true)
	}
	slices.Sort(t.Members)
	for _, id := range got.Rejoined {
		has(id, true)
		m.toldOf(mm, id, true)
	}
	for id, name := range got.Names {
		has(id, true)
		if t.Names == nil {
			t.Names = map[string]string{}
		}
		if t.Names[id] = name; name == "" {
			delete(t.Names, id)
		}
	}
	for id, meta := range got.Meta {
		has(id, true)
		if t.Meta == nil {
			t.Meta = map[string]json.RawMessage{}
		}
		if t.Meta[id] = meta; string(meta) == "null" {
			delete(t.Meta, id)
		}
	}
	if got.Locked != nil {
		if *got.Locked == t.Locked {
			m.t.Fatalf("%s is told that the lock has changed, to what it was", mm.id)
		}
		t.Locked = *got.Locked
	}
	if len(t.Members) != got.Count {
		m.t.Fatalf("%s counts %v after %s", mm.id, t.Members, payload)
	}
}

// toldOf notes that a member was told of another's joins.
func (m *model) toldOf(mm *modelMember, id string, byChanges bool) {
	if byChanges {
		mm.learned[id]++
	}
	mm.joins[id] = slices.DeleteFunc(mm.joins[id], func(j join) bool {
		return j.client != mm.client || j.arrived < mm.client.arrived
	})
}

// fromKnown fails if a message comes from somebody that its receiver does not know to be in.
func (m *model) fromKnown(mm *modelMember, got message) {
	if mm.quiet {
		return
	}
	if !slices.Contains(mm.told.Members, got.From) {
		m.t.Fatalf("%s, who knows of %v, got a message from %s, a stranger", mm.id, mm.told.Members, got.From)
	}
	var sent int
	if err := json.Unmarshal(got.Data, &sent); err != nil {
		m.t.Fatal(err)
	}
	// Each time it was told of at least one more join.
	if n := mm.learned[got.From]; n > 0 && sent <= mm.entered[got.From][n-1] {
		m.t.Fatalf("%s got a message of the former %s after it was told of the new one", mm.id, got.From)
	}
}

// wantNext holds a message against the next that was expected.
func (m *model) wantNext(expected *[]string, got message) {
	what := got.Type
	switch got.Type {
	case "message":
		if what = string(got.Data); got.Count > 0 {
			what = fmt.Sprint(what, " of ", got.Count)
		}
	case "counted":
		what = fmt.Sprint("counted ", got.Count, " ", got.Alike)
	case "error":
		what = got.Code
	case "joined":
		what = got.Ref
	}
	if len(*expected) == 0 || (*expected)[0] != what {
		m.t.Fatalf("got %+v, expected %v", got, *expected)
	}
	*expected = (*expected)[1:]
}

// check ends the script: everything arrives, and then all know the truth.
func (m *model) check() {
	for _, r := range m.loop.rooms {
		r.heldTo = time.Time{}
	}
	m.finish()
	for _, r := range m.loop.rooms {
		m.loop.tellAll(r) // one that was held back
	}
	m.finish()
	for written := true; written || len(m.late) > 0 || len(m.loop.rounds) > 0; {
		written = false
		m.catchUp()
		m.finish()
		for _, c := range slices.Clone(m.clients) {
			for m.writeOne(c) {
				written = true
			}
		}
	}
	for _, c := range m.clients {
		for len(c.inFlight) > 0 {
			m.receiveOne(c)
		}
		if mm := c.member; mm != nil {
			if len(mm.expected) > 0 {
				m.t.Fatalf("%s in %s never got %v", mm.id, mm.room, mm.expected)
			}
			m.checkList(mm)
		} else if len(c.expected) > 0 {
			m.t.Fatalf("a client never got %v", c.expected)
		}
	}
	m.checkRooms()
}

// checkList holds the last list that a member was told against the truth.
func (m *model) checkList(mm *modelMember) {
	if mm.quiet {
		return
	}
	names, meta := map[string]string{}, map[string]string{}
	for _, other := range m.members {
		if other.room != mm.room {
			continue
		}
		if other.name != "" {
			names[other.id] = other.name
		}
		if other.meta != "" {
			meta[other.id] = other.meta
		}
	}
	told := map[string]string{}
	for id, value := range mm.told.Meta {
		told[id] = string(value)
	}
	if want := m.idsIn(mm.room); !slices.Equal(mm.told.Members, want) || mm.told.Locked != m.locked[mm.room] ||
		!maps.Equal(mm.told.Names, names) || !maps.Equal(told, meta) {
		m.t.Fatalf("%s in %s was last told %+v, the truth is %v, %v, %v, locked %v", mm.id, mm.room, mm.told, want, names, meta, m.locked[mm.room])
	}
	if mm.newList && !mm.changes { // for changes, joins tells more
		m.t.Fatalf("%s in %s has not been told that a member was taken over", mm.id, mm.room)
	}
	for id, joins := range mm.joins {
		if len(joins) > 0 && slices.Contains(mm.told.Members, id) {
			m.t.Fatalf("%s in %s has not been told that %s has joined", mm.id, mm.room, id)
		}
	}
}

func (m *model) idsIn(room string) []string {
	var list []string
	for _, mm := range m.members {
		if mm.room == room {
			list = append(list, mm.id)
		}
	}
	slices.Sort(list)
	return list
}

// checkRooms holds the loop's rooms and counters against the model's.
func (m *model) checkRooms() {
	truth := map[string]int{}
	for _, mm := range m.members {
		truth[mm.room]++
	}
	got := map[string]int{}
	for name, r := range m.loop.rooms {
		got[name] = len(r.members)
	}
	if !maps.Equal(got, truth) {
		m.t.Fatalf("the hub has the rooms %v, the model %v", got, truth)
	}
	s := m.loop.hub.Stats
	if int(s.Members.Load()) != len(m.members) || int(s.Rooms.Load()) != len(truth) || int(s.Clients.Load()) != len(m.clients) {
		m.t.Fatalf("%d members, %d rooms, %d clients are counted", s.Members.Load(), s.Rooms.Load(), s.Clients.Load())
	}
	for _, c := range slices.Clone(m.clients) {
		m.unregister(c)
	}
	for _, mm := range slices.Clone(m.members) {
		m.loop.leaveRoom(mm.real, event.ReasonExpired)
	}
	if m.loop.copies != 0 {
		m.t.Fatalf("at the end %d copies wait for rounds", m.loop.copies)
	}
	if s.OutboxBytes.Load() != 0 || s.Suspended.Load() != 0 || len(m.loop.sessions) != 0 {
		m.t.Fatalf("at the end %d bytes, %d suspended, %d sessions", s.OutboxBytes.Load(), s.Suspended.Load(), len(m.loop.sessions))
	}
}
