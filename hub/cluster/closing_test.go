package cluster

import "testing"

// A node that gets to know another at the moment at which it is closed ends all the same.
func TestCloseWhileANodeComes(t *testing.T) {
	n := newStillNode(t, wireMax)
	n.link.close()
	n.closeOnce.Do(func() { close(n.stop) })
	l := n.connect(1, "c", nodeEntry{Incarnation: 3, Max: wireMax}, n.owner)
	<-l.stop
	n.stopped.Wait()
}
