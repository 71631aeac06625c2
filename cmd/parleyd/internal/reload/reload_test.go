package reload

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// A file that can't be read is tried again, though it does not change: its
// permissions may, or what it refers to. It is told once, and the last good value
// stays.
func TestFailureIsTriedAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var failure error
		loads, told := 0, []string{}
		v, err := New(func() (int, error) {
			loads++
			return loads, failure
		}, func(_ int, err error) {
			if err == nil {
				err = errors.New("loaded")
			}
			told = append(told, err.Error())
		}, file)
		if err != nil || v.Get() != 1 {
			t.Fatal(err)
		}
		time.Sleep(2 * CheckInterval)
		if v.Get() != 1 || loads != 1 {
			t.Errorf("loaded %d times, though nothing has changed", loads)
		}
		failure = errors.New("permission denied")
		if err := os.WriteFile(file, []byte("22"), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(CheckInterval)
			if got := v.Get(); got != 1 {
				t.Errorf("got %d while the file can't be read", got)
			}
		}
		if loads != 4 || len(told) != 1 || told[0] != "permission denied" {
			t.Errorf("%d loads, told %q", loads, told)
		}
		failure = nil
		v.Get() // too early
		time.Sleep(CheckInterval)
		if got := v.Get(); got != 5 || len(told) != 2 || told[1] != "loaded" {
			t.Errorf("got %d, told %q", got, told)
		}
		time.Sleep(CheckInterval)
		if v.Get(); loads != 5 {
			t.Errorf("loaded %d times", loads)
		}
	})
}

// A link that is swapped for one to another file is seen, though both files have the same
// size and time.
func TestSwappedLink(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "file")
	for _, name := range []string{"1", "2"} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Time{}, time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(name, link+name); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(link+"1", link); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		v, err := New(func() (string, error) {
			text, err := os.ReadFile(link)
			return string(text), err
		}, func(string, error) {}, link)
		if err != nil || v.Get() != "1" {
			t.Fatalf("%q %v", v.Get(), err)
		}
		if err := os.Rename(link+"2", link); err != nil {
			t.Fatal(err)
		}
		time.Sleep(CheckInterval)
		if got := v.Get(); got != "2" {
			t.Errorf("got %q", got)
		}
	})
}
