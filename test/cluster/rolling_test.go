package cluster

import (
	"syscall"
	"testing"
	"time"

	"github.com/parley-rtc/parley/test/internal/nodes"
)

// rollingArgs are a run of members as they are in the field: some on bad links, that
// resume several times, come and go, and answer a close frame late. Nothing may take
// longer than a fail-over and a few seconds more.
func rollingArgs(duration string) []string {
	return []string{"--profile", "rolling", "--rooms", "20", "--peers", "4", "--rate", "200", "--late", "6s", "--duration", duration}
}

// Each node is restarted in turn, as an upgrade does it, and everybody resumes at
// another: no message is lost, repeated or out of order, no session ends, and nobody is
// told that somebody has left who has not.
func TestRollingRestart(t *testing.T) {
	c := nodes.Start(t, 3)
	s := startSoak(t, c.Balanced, rollingArgs("36s")...)
	time.Sleep(7 * time.Second)
	for i := range 3 {
		c.Daemons[i].Signal(syscall.SIGTERM)
		if code := c.Daemons[i].ExitCode(t); code != 0 {
			t.Errorf("node %d: exit code %d", i, code)
		}
		c.Restart(i)
		c.AwaitReady(i)
		time.Sleep(time.Second)
	}
	s.passes()
}
