package cluster

import (
	"sync"
)

// settling knows which packets of edges have had all their effects: what they
// brought about has arrived at all nodes.
type settling struct {
	mu    sync.Mutex
	items map[*link][]settleItem // in the order of the packets
}

type settleItem struct {
	seq   uint64
	needs []mark
}

// mark is a packet of a link that must have arrived.
type mark struct {
	link *link
	seq  uint64
}

func (s *settling) add(l *link, seq uint64, needs []mark) {
	s.mu.Lock()
	if s.items == nil {
		s.items = map[*link][]settleItem{}
	}
	s.items[l] = append(s.items[l], settleItem{seq, needs})
	s.mu.Unlock()
	s.check()
}

func (s *settling) drop(l *link) {
	s.mu.Lock()
	delete(s.items, l)
	for _, items := range s.items {
		for _, item := range items {
			for i := range item.needs {
				if item.needs[i].link == l {
					item.needs[i].seq = 0
				}
			}
		}
	}
	s.mu.Unlock()
	s.check()
}

// check confirms what has settled.
func (s *settling) check() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l, items := range s.items {
		n := 0
		for n < len(items) && items[n].settled() {
			n++
		}
		if n == 0 {
			continue
		}
		upTo := items[n-1].seq
		if n == len(items) {
			delete(s.items, l)
		} else {
			s.items[l] = items[n:]
		}
		l.write(func(w *writer) {
			w.b = append(w.b, recConfirm)
			w.number(upTo)
		})
		l.flush()
	}
}

func (i *settleItem) settled() bool {
	for _, m := range i.needs {
		if m.seq > 0 && m.link.arrived() < m.seq {
			return false
		}
	}
	return true
}
