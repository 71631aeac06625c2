package cluster

// spare keeps the memory of confirmed commands for later ones. The zero value is ready. The edge
// loop owns it.
type spare struct {
	free  [len(spareSizes)][][]byte // buffers of at least that capacity
	bytes int                       // capacity of all
}

// spareSizes are the capacities of the buffers that are kept, maxSpareBytes bounds their sum.
var spareSizes = [...]int{128, 256, 384, 512, 1024, 2048, 4096}

const maxSpareBytes = 1 << 20

// take returns an empty buffer with room for size bytes.
func (s *spare) take(size int) []byte {
	for i, has := range spareSizes {
		if size > has {
			continue
		}
		free := s.free[i]
		last := len(free) - 1
		if last < 0 {
			return make([]byte, 0, has)
		}
		b := free[last]
		s.free[i], free[last] = free[:last], nil
		s.bytes -= cap(b)
		return b
	}
	return make([]byte, 0, size)
}

// put takes back a buffer that nobody reads any more.
func (s *spare) put(b []byte) {
	if spoiled != nil {
		spoiled(b)
	}
	if s.bytes+cap(b) > maxSpareBytes || cap(b) > 2*spareSizes[len(spareSizes)-1] {
		return
	}
	for i := len(spareSizes) - 1; i >= 0; i-- {
		if cap(b) >= spareSizes[i] {
			s.free[i] = append(s.free[i], b[:0])
			s.bytes += cap(b)
			return
		}
	}
}

// A link keeps at most maxSpare buffers for later chunks, of at most maxSpareChunks bytes in all.
const (
	maxSpare       = 128
	maxSpareChunks = 1 << 20
)

// buffer returns a buffer for a chunk. The caller holds mu.
func (l *link) buffer() []byte {
	last := len(l.spare) - 1
	if last < 0 {
		return make([]byte, headerBytes, 4<<10)
	}
	b := l.spare[last]
	l.spare, l.spare[last] = l.spare[:last], nil
	l.spareSize -= cap(b)
	return b[:headerBytes]
}

// reuse takes back the buffers that have arrived: nothing is being sent now.
func (l *link) reuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.used {
		if spoiled != nil {
			spoiled(b)
		}
		if len(l.spare) < maxSpare && l.spareSize+cap(b) <= maxSpareChunks {
			l.spare = append(l.spare, b)
			l.spareSize += cap(b)
		}
	}
	clear(l.used)
	l.used = l.used[:0]
}
