package load

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Room is a large room of members that listen, with two more in it that talk to each other,
// on a thread of their own: how long the others take to read is not to count.
type Room struct {
	l       *Loop
	d       Dialect
	members []*listener
	guests  []*guest // connected; they come and go
	talk    *talk

	entered []time.Time // when each of the guests' joins was asked for
	knew    []int       // how many members know of each
	all     []time.Time // when the last of them learned of it

	turn  int             // counts what is waited for
	count int             // of members, that all are to be told; 0: it is not waited for
	since time.Time       // when that began
	took  []time.Duration // until each member was told, or had a message to all
	bytes int             // sent to members meanwhile
}

// listener is a member that is told of the others.
type listener struct {
	joins int // of guests that it knows of: all before this number
	knows int // members of the room
	done  int // the turn in which it was told last
}

// guest is a connection that comes and goes.
type guest struct {
	*Conn
	in bool
}

// Figures are what came of something that happens in a room.
type Figures struct {
	Bytes   float64       // sent to each other member
	P99     time.Duration // until 99 of 100 members, or of changes, were done
	All     time.Duration // until all were
	Never   int           // members, or changes, that never were
	Delay   time.Duration // 99th percentile of the times of messages between two others meanwhile
	Longest time.Duration // the longest of them
}

const roomName = "large"

// How long the last member may take to learn something, and to learn of all who have come.
const (
	patience = 5 * time.Second
	arrival  = time.Minute
)

// NewRoom has n members join a room, and guests connect, and waits until all members know of
// all, but for those that some servers never tell.
func NewRoom(l *Loop, d Dialect, address string, n, guests int) (*Room, error) {
	r := &Room{l: l, d: d}
	for i := range n {
		id := fmt.Sprintf("m%05d", i)
		c, err := l.Dial(address, d.Path(id))
		if err != nil {
			return nil, err
		}
		m := &listener{}
		r.members = append(r.members, m)
		c.OnMessage = func(text []byte) { r.told(m, text) }
		c.Send(Text(d.Join(roomName, id)))
		if err := l.Poll(0); err != nil {
			return nil, err
		}
	}
	for range guests {
		c, err := l.Dial(address, d.Path("guest"))
		if err != nil {
			return nil, err
		}
		r.guests = append(r.guests, &guest{Conn: c})
	}
	var err error
	if r.talk, err = startTalk(d, address); err != nil {
		return nil, err
	}
	_, err = r.wait(r.present(), arrival, func() {})
	return r, err
}

// Close ends the talk.
func (r *Room) Close() { r.talk.end() }

// present is how many members there are.
func (r *Room) present() int {
	n := len(r.members) + 2
	for _, g := range r.guests {
		if g.in {
			n++
		}
	}
	return n
}

// told takes what a member gets.
func (r *Room) told(m *listener, text []byte) {
	switch {
	case bytes.HasPrefix(text, []byte(`{"type":"room_members"`)):
		m.knows = Members(text)
		r.learned(m, array(text, "members"))
	case bytes.HasPrefix(text, []byte(`{"type":"room_changes"`)):
		m.knows = number(text)
		r.learned(m, array(text, "joined"))
	case bytes.HasPrefix(text, []byte(`{"type":"message"`)):
		r.done(m)
	default:
		return
	}
	r.bytes += len(text) + headerBytes(len(text))
	if m.knows == r.count {
		r.done(m)
	}
}

// done notes that a member has had what is waited for.
func (r *Room) done(m *listener) {
	if m.done < r.turn {
		m.done = r.turn
		r.took = append(r.took, time.Since(r.since))
	}
}

func headerBytes(n int) int {
	switch {
	case n < 126:
		return 2
	case n < 1<<16:
		return 4
	}
	return 10
}

// array returns the ids in an array, as they stand there.
func array(text []byte, name string) []byte {
	_, list, _ := bytes.Cut(text, []byte(`"`+name+`":[`))
	list, _, _ = bytes.Cut(list, []byte("]"))
	return list
}

// number reads the number at the end of a message.
func number(text []byte) int {
	n, _ := strconv.Atoi(string(bytes.TrimSuffix(text[bytes.LastIndexByte(text, ':')+1:], []byte("}"))))
	return n
}

// guestID names the join with a number: ids of later joins are greater.
func guestID(n int) string { return fmt.Sprintf("x%06d", n) }

// learned takes ids: the last guest among them is the latest that has joined.
func (r *Room) learned(m *listener, ids []byte) {
	at := bytes.LastIndex(ids, []byte(`"x`))
	if at < 0 || len(ids) < at+8 {
		return
	}
	n, err := strconv.Atoi(string(ids[at+2 : at+8]))
	if err != nil {
		return
	}
	for ; m.joins <= n && m.joins < len(r.knew); m.joins++ {
		if r.knew[m.joins]++; r.knew[m.joins] == len(r.members) {
			r.all[m.joins] = time.Now()
		}
	}
}

// wait does something, and waits until all members have been told that there are so many, or
// until they have had a message to all if that is 0.
func (r *Room) wait(count int, limit time.Duration, do func()) (Figures, error) {
	r.turn++
	r.count, r.since, r.took, r.bytes = count, time.Now(), nil, 0
	for _, m := range r.members {
		if count > 0 && m.knows == count {
			r.done(m)
		}
	}
	r.talk.reset()
	do()
	err := r.l.Run(limit, func() bool { return len(r.took) == len(r.members) })
	f := Figures{Bytes: float64(r.bytes) / float64(len(r.members)), Never: len(r.members) - len(r.took)}
	f.Delay, f.Longest = r.talk.figures()
	if len(r.took) > 0 {
		f.P99, f.All = quantile(r.took, .99), slices.Max(r.took)
	}
	return f, err
}

// move has a guest join, or leave if it is in.
func (r *Room) move(g *guest) {
	if g.in = !g.in; !g.in {
		g.Send(Text(`{"type":"leave"}`))
		return
	}
	g.Send(Text(r.d.Join(roomName, guestID(len(r.entered)))))
	r.entered = append(r.entered, time.Now())
	r.knew = append(r.knew, 0)
	r.all = append(r.all, time.Time{})
}

// Move has the first guest join, or leave if it is in.
func (r *Room) Move() (Figures, error) {
	g := r.guests[0]
	count := r.present() + 1
	if g.in {
		count -= 2
	}
	return r.wait(count, patience, func() { r.move(g) })
}

// Broadcast has the first guest, which must be in, say something to all.
func (r *Room) Broadcast() (Figures, error) {
	return r.wait(0, patience, func() { r.guests[0].Send(Text(`{"type":"message","data":"something to everybody"}`)) })
}

// Churn has guests join and leave, so many a second all together, for a time.
func (r *Room) Churn(rate int, limit time.Duration) (Figures, error) {
	r.turn++
	r.count, r.bytes = 0, 0
	r.talk.reset()
	begin, start := len(r.entered), time.Now()
	for i := 0; time.Since(start) < limit; {
		for due := int(time.Since(start).Seconds() * float64(rate)); i < due; i++ {
			r.move(r.guests[i%len(r.guests)])
		}
		r.l.flush()
		if err := r.l.Poll(time.Millisecond); err != nil {
			return Figures{}, err
		}
	}
	var f Figures
	f.Delay, f.Longest = r.talk.figures()
	end := len(r.all)
	r.move(r.guests[0]) // who has come and gone unnoticed by some, is known to be gone
	if !r.guests[0].in {
		r.move(r.guests[0])
	}
	err := r.l.Run(patience, func() bool { return !r.all[len(r.all)-1].IsZero() })
	f.Bytes = float64(r.bytes) / float64(len(r.members))
	var took []time.Duration
	for i := begin; i < end; i++ {
		if r.all[i].IsZero() {
			f.Never++
		} else {
			took = append(took, r.all[i].Sub(r.entered[i]))
		}
	}
	if len(took) > 0 {
		f.P99, f.All = quantile(took, .99), slices.Max(took)
	}
	return f, err
}

// talk is two members of the room that send each other messages, one after the other.
type talk struct {
	over    chan struct{}
	running sync.WaitGroup

	mu   sync.Mutex // guards what follows
	took []time.Duration
}

// talkPause is the time between two of their messages.
const talkPause = time.Millisecond

func startTalk(d Dialect, address string) (*talk, error) {
	t := &talk{over: make(chan struct{})}
	started := make(chan error, 2)
	t.running.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		started <- t.run(d, address, func() { started <- nil })
	})
	return t, <-started
}

// run is the talk. It calls started once it goes.
func (t *talk) run(d Dialect, address string, started func()) error {
	l, err := NewLoop()
	if err != nil {
		return err
	}
	defer l.Close()
	var pair [2]*Conn
	for i := range pair {
		id := fmt.Sprint("talker", i)
		if pair[i], err = l.Dial(address, d.Path(id)); err != nil {
			return err
		}
		pair[i].Send(Text(d.Join(roomName, id)))
	}
	known := false
	pair[0].OnMessage = func(text []byte) { known = known || bytes.Contains(text, []byte(`"talker1"`)) }
	if err := l.Run(arrival, func() bool { return known }); err != nil || !known {
		return fmt.Errorf("the talkers do not learn of each other: %w", err)
	}
	var said time.Time // zero: all that was said has come
	pair[1].OnMessage = func(text []byte) {
		if !bytes.HasPrefix(text, []byte(`{"type":"candidate"`)) {
			return
		}
		t.mu.Lock()
		t.took = append(t.took, time.Since(said))
		t.mu.Unlock()
		said = time.Time{}
	}
	words := Text(d.Message("candidate", "talker1", `"word"`))
	started()
	for next := time.Now(); ; {
		select {
		case <-t.over:
			return nil
		default:
		}
		if now := time.Now(); said.IsZero() && !now.Before(next) {
			said, next = now, now.Add(talkPause)
			pair[0].Send(words)
			l.flush()
		}
		if err := l.Poll(time.Millisecond); err != nil {
			return err
		}
	}
}

func (t *talk) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.took = nil
}

// figures returns the 99th percentile and the longest of the times since the last reset.
func (t *talk) figures() (p99, longest time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.took) == 0 {
		return 0, 0
	}
	return quantile(t.took, .99), slices.Max(t.took)
}

func (t *talk) end() {
	close(t.over)
	t.running.Wait()
}
