// Package reload reads files again when they change. If a file can't be read, the last good
// value stays in force.
package reload

import (
	"os"
	"slices"
	"sync"
	"time"
)

// CheckInterval is how often the files are looked at, at most.
const CheckInterval = time.Second

// Value is what was read from some files. Its methods may be called from any
// goroutine.
type Value[T any] struct {
	// Set by New, then read only.
	files []string
	load  func() (T, error)
	told  func(T, error)

	// Guarded by mu.
	mu      sync.Mutex
	current T
	seen    []version // of the files when they were last read without an error
	failure string    // why they can't be read now; empty: they can
	checked time.Time
}

// version tells versions of a file apart; nil: the file can't be looked at. Tools that
// swap links may give all versions one time.
type version = os.FileInfo

// New loads a value that is made of files. When they have changed it is loaded
// again, and told gets the new value. If that fails, told gets the error, and the
// files are tried again once a [CheckInterval]; told gets the same error only once.
func New[T any](load func() (T, error), told func(T, error), files ...string) (*Value[T], error) {
	v := &Value[T]{files: files, load: load, told: told, checked: time.Now()}
	v.seen = v.look()
	var err error
	v.current, err = load()
	return v, err
}

// Get returns the value as the files have it, or the last good one. It looks at
// them once a [CheckInterval].
func (v *Value[T]) Get() T {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	if now.Sub(v.checked) < CheckInterval {
		return v.current
	}
	v.checked = now
	seen := v.look()
	if same(seen, v.seen) {
		return v.current
	}
	fresh, err := v.load()
	switch {
	case err == nil:
		v.current, v.seen, v.failure = fresh, seen, ""
		v.told(fresh, nil)
	case err.Error() != v.failure:
		v.failure = err.Error()
		v.told(fresh, err)
	}
	return v.current
}

func (v *Value[T]) look() []version {
	seen := make([]version, len(v.files))
	for i, name := range v.files {
		if info, err := os.Stat(name); err == nil {
			seen[i] = info
		}
	}
	return seen
}

func same(a, b []version) bool {
	return slices.EqualFunc(a, b, func(a, b version) bool {
		if a == nil || b == nil {
			return a == nil && b == nil
		}
		return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
	})
}
