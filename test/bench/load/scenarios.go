package load

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Dialect is how a server is spoken to.
type Dialect struct {
	Address func(id string) string             // of the server; nil: the one that is given
	Path    func(id string) string             // of the WebSocket
	Join    func(room, id string) string       // "": connecting is enough
	Message func(kind, to, body string) string // a message to a member; an echo's goes back
	Echo    bool                               // a pair is one client and itself
	Rooms   bool                               // tells members who is in the room
	Settle  string                             // is sent behind Join; "": nothing is
	Answers bool                               // the first message to a client says that it is in
	// For reports whether a message is for the client with an id; nil: all that it gets is.
	For func(id string, text []byte) bool
}

const origin = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"

// bodies are the messages that a pair exchanges in turn: eight candidates of about
// 300 bytes and an offer of 1.5 KB.
var bodies = func() (list []struct{ kind, body string }) {
	candidate := `{"candidate":"candidate:842163049 1 udp 1677729535 192.0.2.17 46154 typ srflx raddr 10.0.0.17 rport 46154 ` +
		`generation 0 ufrag EsAw network-id 1 network-cost 10","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"EsAw"}`
	offer := fmt.Sprintf("%q", origin+strings.Repeat("a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\n", 28))
	list = append(list, struct{ kind, body string }{"offer", offer})
	for range 8 {
		list = append(list, struct{ kind, body string }{"candidate", candidate})
	}
	return list
}()

// member is a joined client.
type member struct {
	*Conn

	id     string
	frames [][]byte // what it sends, in turn
	next   int
	peer   *member // where that goes
}

func (m *member) sendNext() {
	m.Send(m.frames[m.next])
	if m.next++; m.next == len(m.frames) {
		m.next = 0
	}
}

// joined connects n members to rooms of a size and waits until they are in.
func joined(l *Loop, d Dialect, address string, n, size int) ([]*member, error) {
	members := make([]*member, n)
	known := 0
	for i := range members {
		id := fmt.Sprintf("m%05d", i)
		if d.Address != nil {
			address = d.Address(id)
		}
		conn, err := l.Dial(address, d.Path(id))
		if err != nil {
			return nil, err
		}
		m := &member{Conn: conn, id: id}
		members[i] = m
		if d.Rooms {
			m.OnMessage = func(text []byte) {
				if Members(text) == min(size, n-i/size*size) {
					known++
					m.OnMessage = nil
				}
			}
		}
		if d.Answers {
			m.OnMessage = func([]byte) {
				known++
				m.OnMessage = nil
			}
			m.Early()
		}
		if d.Join != nil {
			m.Send(Text(d.Join(fmt.Sprintf("room%d", i/size), id)))
		}
		if d.Settle != "" {
			m.Send(Text(d.Settle))
		}
		if i%100 == 99 {
			if err := l.Poll(0); err != nil {
				return nil, err
			}
		}
	}
	if !d.Rooms && !d.Answers {
		return members, l.Run(200*time.Millisecond, func() bool { return false })
	}
	if err := l.Run(30*time.Second, func() bool { return known == n }); err != nil {
		return nil, err
	}
	if known < n {
		return nil, fmt.Errorf("%d of %d members know that they are in", known, n)
	}
	return members, nil
}

// Members returns how many members a room_members message lists, 0 for any other.
func Members(text []byte) int {
	if !bytes.HasPrefix(text, []byte(`{"type":"room_members"`)) {
		return 0
	}
	_, list, _ := bytes.Cut(text, []byte(`"members":[`))
	list, _, _ = bytes.Cut(list, []byte("]"))
	if len(list) == 0 {
		return 0
	}
	return bytes.Count(list, []byte(",")) + 1
}

// pairs joins pairs and makes what they send. Of an echo's pairs each is one
// client.
func pairs(l *Loop, d Dialect, address string, n int) ([]*member, error) {
	size := 2
	if d.Echo {
		size = 1
	}
	members, err := joined(l, d, address, n*size, size)
	if err != nil {
		return nil, err
	}
	for i, m := range members {
		m.peer = members[i^(size-1)]
		for _, b := range bodies {
			m.frames = append(m.frames, Text(d.Message(b.kind, m.peer.id, b.body)))
		}
	}
	return members, nil
}

// forwarded tells a forwarded message from others.
func forwarded(text []byte) bool { return len(text) > 200 }

// Relay has n pairs keep a number of messages under way each, and returns how many
// came in the time, and the time. during is called when it begins and when it ends.
func Relay(l *Loop, d Dialect, address string, n, underWay int, warm, limit time.Duration, during func()) (int, time.Duration, error) {
	members, err := pairs(l, d, address, n)
	if err != nil {
		return 0, 0, err
	}
	count := 0
	for _, m := range members {
		m.OnMessage = func(text []byte) {
			if forwarded(text) && (d.For == nil || d.For(m.id, text)) {
				count++
				m.sendNext()
			}
		}
	}
	step := len(members) / n
	for i := 0; i < len(members); i += step {
		for range underWay {
			members[i].sendNext()
		}
	}
	if err := l.Spin(warm); err != nil {
		return 0, 0, err
	}
	during()
	count = 0
	start := time.Now()
	if err := l.Spin(limit); err != nil {
		return 0, 0, err
	}
	elapsed := time.Since(start)
	during()
	if count == 0 {
		return 0, 0, fmt.Errorf("no message came")
	}
	return count, elapsed, nil
}

// Sent is what came of messages sent at a rate.
type Sent struct {
	Took    []time.Duration // times of those that came, in the order in which they came
	Refused int             // answered with an error
	Evicted int             // connections that the server closed, since the load did not read fast enough
	Cut     int             // messages from or to those that had not come
	Lost    int             // all others that did not come
	Elapsed time.Duration   // until the last one came
}

// Latency has n pairs send at a rate, all together, for a time, whether or not the
// server keeps up, and then waits for what is still under way.
func Latency(l *Loop, d Dialect, address string, n, rate int, limit time.Duration) (Sent, error) {
	members, err := pairs(l, d, address, n)
	if err != nil {
		return Sent{}, err
	}
	var s Sent
	underWay := make(map[*member][]time.Time, len(members)) // by who is to receive; they come in order
	waiting := 0
	for _, m := range members {
		m.OnMessage = func(text []byte) {
			switch times := underWay[m]; {
			case forwarded(text) && len(times) > 0:
				s.Took = append(s.Took, time.Since(times[0]))
				underWay[m] = times[1:]
				waiting--
			case bytes.HasPrefix(text, []byte(`{"type":"error"`)):
				s.Refused++
				waiting--
			}
		}
	}
	start := time.Now()
	for i := 0; time.Since(start) < limit; {
		for due := int(time.Since(start).Seconds() * float64(rate)); i < due; i++ {
			m := members[i%len(members)]
			underWay[m.peer] = append(underWay[m.peer], time.Now())
			waiting++
			m.sendNext()
		}
		l.flush()
		if err := l.Poll(0); err != nil {
			return Sent{}, err
		}
	}
	before := -1
	for waiting > 0 && before != waiting { // until nothing comes for a while
		before = waiting
		if err := l.Run(2*time.Second, func() bool { return waiting == 0 }); err != nil {
			return Sent{}, err
		}
	}
	s.Elapsed = time.Since(start)
	for _, m := range members {
		if m.closed {
			s.Evicted++
		}
		if m.closed || m.peer.closed {
			s.Cut += len(underWay[m])
			waiting -= len(underWay[m])
		}
	}
	s.Cut -= s.Refused // these were answered
	s.Lost = waiting + s.Refused
	if len(s.Took) == 0 {
		return Sent{}, fmt.Errorf("no message came")
	}
	return s, nil
}

// Quantile returns the time that the share q of the messages did not exceed.
func (s *Sent) Quantile(q float64) time.Duration { return quantile(s.Took, q) }

// Typical cuts the run into parts and returns the median of their quantiles: what
// else the machine does for a moment falls into few of them.
func (s *Sent) Typical(q float64, parts int) time.Duration {
	each := make([]time.Duration, 0, parts)
	for part := range slices.Chunk(s.Took, max(len(s.Took)/parts, 1)) {
		each = append(each, quantile(part, q))
	}
	return quantile(each, .5)
}

func quantile(times []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[int(q*float64(len(sorted)-1))]
}

// Idle joins n members in rooms of two and leaves them there.
func Idle(l *Loop, d Dialect, address string, n int) error {
	members, err := joined(l, d, address, n, 2)
	for _, m := range members {
		m.OnMessage = nil
	}
	return err
}

// Enter has n clients connect and join, in rooms of two, and returns how long it takes until
// all know that they are in.
func Enter(l *Loop, d Dialect, address string, n int) (time.Duration, error) {
	start := time.Now()
	_, err := joined(l, d, address, n, 2)
	return time.Since(start), err
}

// Crowd is what came of many joins at once.
type Crowd struct {
	Bytes   uint64        // that the server sent
	Strange int           // members that never learned all members of their room
	Took    time.Duration // until the last one knew; if some never did, until the last message
}

// Join has n members, connected before, join rooms of a size at once.
func Join(l *Loop, d Dialect, address string, n, size int) (Crowd, error) {
	members := make([]*member, n)
	known := 0
	var last time.Time
	for i := range members {
		id := fmt.Sprintf("m%05d", i)
		conn, err := l.Dial(address, d.Path(id))
		if err != nil {
			return Crowd{}, err
		}
		m := &member{Conn: conn, id: id}
		members[i] = m
		m.OnMessage = func(text []byte) {
			if len(text) > size*8 && Members(text) == size {
				known++
				m.OnMessage = nil
			}
		}
	}
	l.Bytes = 0
	start := time.Now()
	for i, m := range members {
		m.Send(Text(d.Join(fmt.Sprintf("room%d", i/size), m.id)))
	}
	// Those who do not know by now and hear nothing for a while never will.
	seen := l.Bytes
	done := func() bool {
		if l.Bytes != seen {
			seen, last = l.Bytes, time.Now()
		}
		return known == n || time.Since(last) > 2*time.Second
	}
	last = start
	if err := l.Run(time.Minute, done); err != nil {
		return Crowd{}, err
	}
	return Crowd{Bytes: l.Bytes, Strange: n - known, Took: last.Sub(start)}, nil
}
