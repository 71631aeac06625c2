package crowd

// stall is a time in which this process was late, in nanoseconds since the run began.
type stall struct {
	late  int64 // how late something was sent
	until int64 // what was due by then may have waited for that
}

// Bounds of what is remembered of stalls.
const (
	leastStall  = int64(10_000_000)     // nanoseconds: less explains nothing
	stallMemory = int64(60_000_000_000) // nanoseconds
	mostStalls  = 64
)

// stalls are those of the last minute, but for those that a later one was worse than: the
// worst first, which is the earliest.
type stalls []stall

// note takes in that something was sent late. Messages that came due meanwhile are sent in one go,
// so the server has as much to catch up with as the stall was long, and no more.
func (s *stalls) note(late, now int64) {
	if late < leastStall {
		return
	}
	list := *s
	for len(list) > 0 && (list[0].until < now-stallMemory || len(list) == mostStalls) {
		list = list[1:]
	}
	for len(list) > 0 && list[len(list)-1].late <= late {
		list = list[:len(list)-1]
	}
	*s = append(list, stall{late, now + late})
}

// of returns how much of the delay of something that was due at a time, and has come or
// is looked for now, this process may have caused.
func (s stalls) of(due int64) int64 {
	for _, stall := range s {
		if due <= stall.until {
			return stall.late
		}
	}
	return 0
}
