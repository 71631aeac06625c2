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
	t.Run("embedded", func(t *testing.T) { rolls(t, nodes.Start(t, 3)) })
	t.Run("external NATS", func(t *testing.T) {
		port, startNATS := externalNATS(t)
		startNATS()
		rolls(t, nodes.StartOn(t, "nats://127.0.0.1:"+port, 3))
	})
}

// rolls restarts each node in turn under load.
func rolls(t *testing.T, c *nodes.Cluster) {
	t.Helper()
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

// The secret of the nodes changes while they serve: no message is lost, repeated or out of
// order, no session ends, and a node that has ended finds the others with the new one.
func TestSecretChange(t *testing.T) {
	c := nodes.Start(t, 3)
	s := startSoak(t, c.Balanced, rollingArgs("24s")...)
	time.Sleep(5 * time.Second)
	c.ChangeSecrets("open barley", nodes.Secret)
	time.Sleep(5 * time.Second)
	c.ChangeSecrets("open barley")
	time.Sleep(2 * time.Second)
	c.Daemons[1].Signal(syscall.SIGTERM)
	if code := c.Daemons[1].ExitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	c.Restart(1)
	c.AwaitReady(1)
	s.passes()
	for i, d := range c.Daemons {
		for _, line := range d.Lines() {
			if msg := line["msg"]; msg == "node fenced" || msg == "broker error" {
				t.Errorf("node %d: %v", i, line)
			}
		}
	}
}
