//go:build !linux

package crowd

import "time"

// pause waits with the precision of the runtime's timers.
type pause struct{}

func newPause() pause { return pause{} }

func (pause) end() {}

func (pause) wait(d time.Duration) { time.Sleep(d) }
