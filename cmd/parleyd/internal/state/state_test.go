package state

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// A secret stays the same, and nobody else may read it.
func TestSecret(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "parleyd")
	first, err := Secret(dir, "turn-secret")
	if err != nil {
		t.Fatal(err)
	}
	again, err := Secret(dir, "turn-secret")
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("%q, then %q: %v", first, again, err)
	}
	other, err := Secret(dir, "other-secret")
	if err != nil || bytes.Equal(first, other) || len(other) < 20 {
		t.Errorf("another is %q: %v", other, err)
	}
	files, _ := os.ReadDir(dir)
	if len(files) != 2 {
		t.Errorf("%d files", len(files))
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
		}
	}
}

// Those who ask at the same time get one secret.
func TestSecretAtOnce(t *testing.T) {
	dir := t.TempDir()
	var all [8][]byte
	var asked sync.WaitGroup
	for i := range all {
		asked.Go(func() { all[i], _ = Secret(dir, "s") })
	}
	asked.Wait()
	for _, one := range all {
		if len(one) == 0 || !bytes.Equal(one, all[0]) {
			t.Fatalf("%q and %q", all[0], one)
		}
	}
}

// A file that has been emptied is no secret, and is not replaced by a new one.
func TestEmpty(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "s"), []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Secret(dir, "s"); err == nil {
		t.Errorf("%q", s)
	}
}
