//go:build !linux

package socket

// stampReads reports that the times of what is read can't be had.
func stampReads(int) bool { return false }

func (c *Conn) timedRead(int, []byte) (int, error) { panic("not timed") }
