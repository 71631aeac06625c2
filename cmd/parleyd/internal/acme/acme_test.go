package acme

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A folder in which no certificate could be kept is an error at once.
func TestNotWritable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "acme")
	if err := os.Mkdir(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		dir = "/proc/self" // root may write to all but this
	}
	m, err := New(Options{Domains: []string{"meet.example.org"}, Dir: dir})
	if err == nil {
		m.Close()
		t.Fatal("it is taken")
	}
	if text := err.Error(); !strings.HasPrefix(text, "acme-dir: ") || !strings.Contains(text, dir) {
		t.Error(text)
	}
}

// Trying a folder leaves nothing in it.
func TestWritable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "acme")
	if err := writable(dir); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v %v", left, err)
	}
}
