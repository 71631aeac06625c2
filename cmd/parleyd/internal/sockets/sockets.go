// Package sockets opens what the daemon listens on: TCP addresses, Unix sockets, and
// sockets that systemd has opened for it.
package sockets

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/user"
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
	owner string // "": as the process is; user, user:group or :group
	name  string // that systemd gives to its sockets
}

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

// Listen opens sockets: of a name several, if systemd has them. On an error none is open.
func Listen(addresses []Address) (all []Listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range all {
				_ = l.Close()
			}
			all = nil
		}
	}()
	var passed map[string][]net.Listener
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
			if passed == nil {
				if passed, err = activation.ListenersWithNames(); err != nil {
					return all, err
				}
			}
			if len(passed[a.name]) == 0 {
				return all, fmt.Errorf("systemd has passed no socket with the name %q (FileDescriptorName)", a.name)
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

// giveAway sets who may connect.
func (a Address) giveAway() error {
	owner, group, _ := strings.Cut(a.owner, ":")
	uid, gid := -1, -1
	if owner != "" {
		u, err := user.Lookup(owner)
		if err != nil {
			return err
		}
		uid, _ = strconv.Atoi(u.Uid)
	}
	if group != "" {
		g, err := user.LookupGroup(group)
		if err != nil {
			return err
		}
		gid, _ = strconv.Atoi(g.Gid)
	}
	if uid >= 0 || gid >= 0 {
		if err := os.Chown(a.Path, uid, gid); err != nil {
			return err
		}
	}
	return os.Chmod(a.Path, a.mode)
}
