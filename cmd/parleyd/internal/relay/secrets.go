package relay

import (
	"sync"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/ice"
)

// secrets are those that credentials are made with, or have been.
type secrets struct {
	current func() [][]byte // the first makes credentials

	mu    sync.Mutex
	known map[string][]byte // by their keys, former ones included; guarded by mu
}

func newSecrets(current func() [][]byte) *secrets {
	s := &secrets{current: current, known: make(map[string][]byte)}
	s.find("") // knows those of now
	return s
}

// find returns the secret that a key names; nil: there is none. "" names the one that
// makes credentials. former says that it was taken out of the settings.
func (s *secrets) find(key string) (secret []byte, former bool) {
	now := s.current()
	if key == "" {
		key = ice.Key(now[0])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	listed := false
	for _, one := range now {
		k := ice.Key(one)
		s.known[k] = one
		listed = listed || k == key
	}
	return s.known[key], !listed
}
