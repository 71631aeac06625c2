package sockets

import (
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text string
		want Address
	}{
		{":8080", Address{TCP: ":8080"}},
		{"[::1]:80", Address{TCP: "[::1]:80"}},
		{"unix:/run/p.sock", Address{Path: "/run/p.sock", mode: 0o660}},
		{"unix:/run/p.sock?mode=0600&owner=ann:www-data", Address{Path: "/run/p.sock", mode: 0o600, owner: "ann:www-data"}},
		{"systemd:http", Address{name: "http"}},
	} {
		if got, err := Parse(c.text); err != nil || got != c.want {
			t.Errorf("%q: %+v %v", c.text, got, err)
		}
	}
	for _, text := range []string{
		"", "8080", "a:b", ":99999", "unix:", "unix:?mode=0600", "unix:/p?mode=rw", "unix:/p?mode=7777", "unix:/p?color=red", "systemd:",
		"unix:@name", "unix:/" + strings.Repeat("p", 103),
	} {
		if got, err := Parse(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

// listen opens what a text says.
func listen(t *testing.T, texts ...string) ([]Listener, error) {
	t.Helper()
	var all []Address
	for _, text := range texts {
		a, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	listeners, err := Listen(all)
	t.Cleanup(func() {
		for _, l := range listeners {
			_ = l.Close()
		}
	})
	return listeners, err
}

// A Unix socket is open to those that it should be, and goes when it is closed.
func TestUnix(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Skip(err)
	}
	path := filepath.Join(t.TempDir(), "p.sock")
	all, err := listen(t, "unix:"+path+"?mode=0606&owner="+me.Username, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o606 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	for _, l := range all {
		c, err := net.Dial(l.Addr().Network(), l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	}
	if _, err := listen(t, "unix:"+path); err == nil {
		t.Error("a socket that is in use was taken")
	}
	_ = all[0].Close()
	if _, err := os.Stat(path); err == nil {
		t.Error("it is still there")
	}
	if _, err := listen(t, "unix:"+path+"?owner="+me.Uid+":"+me.Gid); err != nil {
		t.Errorf("with numbers: %v", err)
	}
	if _, err := listen(t, "unix:"+path+"2?owner=nobody-of-this-name"); err == nil || !strings.Contains(err.Error(), "nobody-of-this-name") {
		t.Errorf("%v", err)
	}
}

// A socket that a process has left behind is replaced; a file that is none is not.
func TestLeftBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.sock")
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	old.SetUnlinkOnClose(false)
	_ = old.Close()
	if _, err := listen(t, "unix:"+path); err != nil {
		t.Error(err)
	}
	plain := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(plain, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listen(t, "unix:"+plain); err == nil {
		t.Error("a file was replaced")
	}
	if text, err := os.ReadFile(plain); err != nil || string(text) != "text" {
		t.Errorf("%q %v", text, err)
	}
}

// If one can't be opened none is.
func TestAllOrNone(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	path := filepath.Join(t.TempDir(), "p.sock")
	for _, bad := range []string{busy.Addr().String(), "systemd:http"} {
		if _, err := listen(t, "unix:"+path, bad); err == nil {
			t.Error(fmt.Sprint(bad, " was opened"))
		}
		if _, err := os.Stat(path); err == nil {
			t.Error("the other one is open")
		}
	}
}
