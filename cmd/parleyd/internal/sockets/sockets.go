// Package sockets opens what the daemon listens on: TCP addresses, Unix sockets, and
// sockets that systemd has opened for it.
package sockets

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
)

// Listener is one of the system's sockets.
type Listener interface {
	net.Listener
	syscall.Conn
}

// Address is something to listen on, in one of three forms:
//
//	host:port
//	unix:/path?mode=0660&owner=user:group
//	systemd:name
type Address struct {
	TCP  string // host:port; empty: it is of another form
	Path string // of a Unix socket; empty: it is of another form

	mode  fs.FileMode
	owner string // "": as the process is; user, user:group or :group, by name or number
	name  string // that systemd gives to its sockets
}

// maxPath is the longest path that every system takes for a socket (unix(7); macOS takes
// fewer bytes than Linux).
const maxPath = 103

// defaultMode lets the owner and the group connect.
const defaultMode = 0o660

// Parse reads an address. The error is for people.
func Parse(text string) (a Address, err error) {
	if name, ok := strings.CutPrefix(text, "systemd:"); ok {
		if name == "" {
			return a, fmt.Errorf("%q does not name a socket unit", text)
		}
		return Address{name: name}, nil
	}
	rest, ok := strings.CutPrefix(text, "unix:")
	if !ok {
		_, port, err := net.SplitHostPort(text)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil {
			return a, fmt.Errorf("%q is not host:port, unix:/path or systemd:name", text)
		}
		return Address{TCP: text}, nil
	}
	path, query, _ := strings.Cut(rest, "?")
	if path == "" {
		return a, fmt.Errorf("%q has no path", text)
	}
	if path[0] == '@' {
		return a, fmt.Errorf("%q is an abstract socket, which anybody on this machine may connect to: name a path", text)
	}
	if len(path) > maxPath {
		return a, fmt.Errorf("%q: the path is longer than %d bytes", text, maxPath)
	}
	a = Address{Path: path, mode: defaultMode}
	values, err := url.ParseQuery(query)
	if err != nil {
		return a, fmt.Errorf("%q: %w", text, err)
	}
	for key := range values {
		switch value := values.Get(key); key {
		case "mode":
			mode, err := strconv.ParseUint(value, 8, 12)
			if err != nil || mode > 0o777 {
				return a, fmt.Errorf("%q: the mode is not an octal number as in 0660", text)
			}
			a.mode = fs.FileMode(mode)
		case "owner":
			a.owner = value
		default:
			return a, fmt.Errorf("%q: %s is neither mode nor owner", text, key)
		}
	}
	return a, nil
}

// Listen opens sockets: of a name several, if systemd has them. Systemd has to pass no
// others: clients would wait there for ever. On an error none is open.
func Listen(addresses []Address) (all []Listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range all {
				_ = l.Close()
			}
			all = nil
		}
	}()
	passed, err := activation.ListenersWithNames()
	if err != nil {
		return nil, err
	}
	used := make(map[string]bool)
	for _, a := range addresses {
		switch {
		case a.TCP != "":
			l, err := net.Listen("tcp", a.TCP)
			if err != nil {
				return all, err
			}
			all = append(all, l.(Listener))
		case a.Path != "":
			l, err := a.listenUnix()
			if err != nil {
				return all, err
			}
			all = append(all, l)
		default:
			used[a.name] = true
			if len(passed[a.name]) == 0 {
				return all, fmt.Errorf("systemd has passed no socket with the name %q (FileDescriptorName), but %q", a.name, slices.Sorted(maps.Keys(passed)))
			}
			for _, l := range passed[a.name] {
				own, ok := l.(Listener)
				if !ok {
					return all, fmt.Errorf("the socket %q of systemd is no stream socket", a.name)
				}
				all = append(all, own)
			}
		}
	}
	for name := range passed {
		if !used[name] {
			return all, fmt.Errorf("systemd has passed the socket %q, which is not named here: add systemd:%s, or disable the socket unit", name, name)
		}
	}
	return all, nil
}

// listenUnix opens a Unix socket. One that a process has left behind is replaced.
func (a Address) listenUnix() (Listener, error) {
	l, err := net.Listen("unix", a.Path)
	if errors.Is(err, syscall.EADDRINUSE) {
		c, failed := net.Dial("unix", a.Path)
		if failed == nil {
			_ = c.Close()
			return nil, err
		}
		info, missing := os.Lstat(a.Path)
		if !errors.Is(failed, syscall.ECONNREFUSED) || missing != nil || info.Mode().Type() != fs.ModeSocket || os.Remove(a.Path) != nil {
			return nil, err
		}
		l, err = net.Listen("unix", a.Path)
	}
	if err != nil {
		return nil, err
	}
	if err := a.giveAway(); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l.(*net.UnixListener), nil
}

// giveAway sets the mode and the owner of a Unix socket.
func (a Address) giveAway() error {
	uid, gid, err := a.CheckOwner()
	if err != nil {
		return err
	}
	if uid >= 0 || gid >= 0 {
		if err := os.Chown(a.Path, uid, gid); err != nil {
			return err
		}
	}
	return os.Chmod(a.Path, a.mode)
}

// CheckOwner returns the numbers of the user and the group that a Unix socket is to belong
// to; -1: those of the process. The error names the one that this machine does not have.
func (a Address) CheckOwner() (uid, gid int, err error) {
	owner, group, _ := strings.Cut(a.owner, ":")
	uid, err = number(owner, func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
	if err != nil {
		return -1, -1, err
	}
	gid, err = number(group, func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
	return uid, gid, err
}

// number returns what stands for a name, or is one: images of containers have no names. -1:
// there is none.
func number(name string, lookup func(string) (string, error)) (int, error) {
	if name == "" {
		return -1, nil
	}
	text, err := lookup(name)
	if err != nil {
		if n, failed := strconv.ParseUint(name, 10, 31); failed == nil {
			return int(n), nil
		}
		return -1, err
	}
	return strconv.Atoi(text)
}
