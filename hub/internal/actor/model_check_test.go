package actor

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/parley-rtc/parley/hub/event"
)

// What a client of the model sees, held against what it must see.

// receiveOne holds a frame that arrives against what the client must see.
func (m *model) receiveOne(c *modelClient) {
	f := c.inFlight[0]
	c.inFlight = c.inFlight[1:]
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
		if got.Type != "room_members" && got.Type != "resumed" { // these are of a room that it has left
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
	default:
		if got.Type == "message" && mm.begun && !mm.known[got.From] && got.Room == mm.room {
			m.t.Fatalf("%s got a message from %s, a stranger", mm.id, got.From)
		}
		m.wantNext(&mm.expected, got)
	}
}

func (m *model) told(mm *modelMember, got message) {
	if !mm.begun {
		return // of the room that it was in before
	}
	if !slices.Contains(got.Members, mm.id) || got.Room != mm.room {
		m.t.Fatalf("%s in %s was told %+v", mm.id, mm.room, got)
	}
	for _, id := range got.Members {
		mm.known[id] = true
	}
	mm.told, mm.newList = got, false
}

// wantNext holds a message against the next that was expected.
func (m *model) wantNext(expected *[]string, got message) {
	what := got.Type
	switch got.Type {
	case "message":
		what = string(got.Data)
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
	m.finish()
	for _, r := range m.loop.rooms {
		m.loop.tellAll(r) // one that was held back
	}
	m.finish()
	for written := true; written || len(m.late) > 0; {
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
	if mm.newList {
		m.t.Fatalf("%s in %s has not been told that a member was taken over", mm.id, mm.room)
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
	if s.OutboxBytes.Load() != 0 || s.Suspended.Load() != 0 || len(m.loop.sessions) != 0 {
		m.t.Fatalf("at the end %d bytes, %d suspended, %d sessions", s.OutboxBytes.Load(), s.Suspended.Load(), len(m.loop.sessions))
	}
}
