package webtorrent

import "testing"

// Programs of one page are peers of one swarm on one connection, but no client fills a swarm.
func TestAConnectionIsFewPeersOfASwarm(t *testing.T) {
	s, _ := serve(t, Options{}, nil)
	c := s.Dial("")
	for i := range maxAlike {
		say(c, swarm, binary(byte(20*i)), "")
		told(c, swarm, 0, i+1)
	}
	say(c, swarm, binary(200), "")
	c.WantJSON(`{"action":"announce","info_hash":` + swarm + `,"failure reason":"this connection is too many peers of the swarm"}`)
	say(c, other, binary(200), "")
	told(c, other, 0, 1)
	say(c, swarm, binary(0), `,"event":"stopped"`)
	told(c, swarm, 0, maxAlike-1)
	say(c, swarm, binary(200), "")
	told(c, swarm, 0, maxAlike)
}
