package crowd

import (
	"fmt"
	"iter"
	"math/bits"
	"strconv"
	"strings"
)

// room is a room of the server and its members, those that are not in it now too.
// Owned by its worker.
type room struct {
	worker  *worker
	number  uint32
	name    string
	members []*member
	size    int // so many of the members, the first ones, are to be in
	here    int // so many are in
	offers  map[offerKey]*call
}

// offerKey names an offer or an answer that is under way.
type offerKey struct {
	from, to uint16
	seq      uint32
}

func (c *Crowd) newRoom(number int) *room {
	w := c.workers[number%len(c.workers)]
	r := &room{worker: w, number: uint32(number), name: fmt.Sprintf("%s-%d", c.name, number), offers: map[offerKey]*call{}}
	w.rooms = append(w.rooms, r)
	return r
}

// grow makes members up to a size; they are absent.
func (r *room) grow(size int) {
	for n := len(r.members); n < size; n++ {
		m := &member{room: r, number: uint16(n), id: r.name + "-" + strconv.Itoa(n), turn: int(r.worker.crowd.born.Add(1) - 1)}
		r.members = append(r.members, m)
		r.worker.members = append(r.worker.members, m)
	}
}

// numberOf returns the number of the member with an id; -1: it is none of this room.
func (r *room) numberOf(id []byte) int {
	digits, ok := strings.CutPrefix(string(id), r.name+"-")
	if !ok || digits == "" || len(digits) > 5 || digits[0] == '0' && len(digits) > 1 {
		return -1
	}
	n := 0
	for _, d := range []byte(digits) {
		if d < '0' || d > '9' {
			return -1
		}
		n = 10*n + int(d-'0')
	}
	if n >= len(r.members) {
		return -1
	}
	return n
}

// misinformed counts the members that do not know just who is in.
func (r *room) misinformed(tell bool) (n int) {
	here := 0
	for _, m := range r.members {
		if m.state == present || m.state == lost {
			here++
		}
	}
	for _, m := range r.members {
		if m.state != present || m.slow {
			continue
		}
		var wrong []string
		known := 0
		for _, o := range r.members {
			in := o.state == present || o.state == lost
			if m.view.listed.has(o.number) == in {
				known++
				continue
			}
			if len(wrong) < 3 {
				wrong = append(wrong, map[bool]string{true: "not of ", false: "still of "}[in]+o.id)
			}
		}
		if known == len(r.members) {
			continue
		}
		n++
		if tell {
			m.fault(Membership, fmt.Sprintf("was told of %d members of %d: %s", m.view.listed.count(), here, strings.Join(wrong, ", ")))
		}
	}
	return n
}

// set is a set of members' numbers.
type set []uint64

func (s set) has(n uint16) bool { return s.word(int(n/64))>>(n%64)&1 == 1 }

// word returns the members with the numbers from 64 i on.
func (s set) word(i int) uint64 {
	if i < len(s) {
		return s[i]
	}
	return 0
}

func (s *set) add(n uint16) {
	for int(n/64) >= len(*s) {
		*s = append(*s, 0)
	}
	(*s)[n/64] |= 1 << (n % 64)
}

func (s set) remove(n uint16) {
	if int(n/64) < len(s) {
		s[n/64] &^= 1 << (n % 64)
	}
}

func (s set) count() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// all yields the numbers in their order.
func (s set) all() iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		for i, w := range s {
			for ; w != 0; w &= w - 1 {
				if !yield(uint16(64*i + bits.TrailingZeros64(w))) {
					return
				}
			}
		}
	}
}
