// Package state keeps on disk what has to outlive a restart of the daemon.
package state

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Secret returns the secret that a folder keeps under a name. The first call makes it;
// of several at the same time one does. Errors are for people.
func Secret(dir, name string) ([]byte, error) {
	path := filepath.Join(dir, name)
	secret, err := read(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	fresh, err := os.CreateTemp(dir, name+".*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(fresh.Name())
	_, err = fresh.WriteString(rand.Text() + "\n")
	if err := errors.Join(err, fresh.Sync(), fresh.Close()); err != nil {
		return nil, err
	}
	// A link, unlike a rename, leaves alone what another process has made meanwhile.
	if err := os.Link(fresh.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return read(path)
}

func read(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return nil, fmt.Errorf("%s is empty", path)
	}
	return text, nil
}
