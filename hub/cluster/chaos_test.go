package cluster

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"
)

// While nodes die, leave, come back, and packets are lost and late, all at random, the
// members of two nodes that live have each message once and in order, wherever their
// rooms are.
func TestChaos(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	m := newMemory()
	nodes := cluster(t, m, "a", "b", "c", "d", "e")
	var talks []*talk
	for _, owner := range []string{"a", "b", "c", "d", "e"} {
		room := roomOwnedBy(t, nodes[owner])
		ann, bob, cid := connect(t, nodes["a"]), connect(t, nodes["b"]), connect(t, nodes["a"])
		for id, c := range map[string]*client{"ann": ann, "bob": bob, "cid": cid} {
			if !c.join(room, id, nil, id == "bob") {
				t.Fatal("not let in")
			}
		}
		for _, c := range []*client{ann, bob, cid} {
			c.sees("ann", "bob", "cid")
		}
		talks = append(talks, newTalk(t, ann, bob, cid))
	}
	away := map[string]bool{}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		name := []string{"c", "d", "e"}[random.IntN(3)]
		switch {
		case away[name]:
			nodes[name] = start(t, m, name)
			delete(away, name)
		case random.IntN(2) == 0:
			nodes[name].Close()
			delete(nodes, name)
			away[name] = true
		default:
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			if err := nodes[name].Drain(ctx); err != nil {
				t.Errorf("%s does not leave: %v", name, err)
			}
			cancel()
			nodes[name].Close()
			delete(nodes, name)
			away[name] = true
		}
		m.set(random.Float64()*.05, time.Duration(random.IntN(20)+1)*time.Millisecond)
		time.Sleep(time.Duration(random.IntN(3000)) * time.Millisecond)
	}
	m.set(0, 0)
	for _, k := range talks {
		k.mayClose = true // where this machine stands still for long, a and b are taken for lost too
		k.finish()
	}
}
