package config

import (
	"net"
	"strings"
	"testing"
)

// Two listeners at one place are refused, whichever settings they come from; what can be
// open at the same time is not.
func TestListenersOfOnePlace(t *testing.T) {
	public := []string{"--acme-domain", "meet.example.org", "--acme-dir", "/state", "--turn-public-ip", "203.0.113.7"}
	for _, c := range []struct {
		name string
		args []string
		want string // in the error; empty: there is none
	}{
		{"the same twice", []string{"--listen", "127.0.0.1:1", "--listen", "127.0.0.1:1"}, `listen: "127.0.0.1:1" is taken by listen`},
		{"all and one", []string{"--listen", ":8090", "--listen", "127.0.0.1:8090"}, "taken"},
		{"one and all", []string{"--listen", "[::1]:8090", "--listen", ":8090"}, "taken"},
		{"all of IPv4 and one", []string{"--listen", "0.0.0.0:8090", "--listen", "127.0.0.1:8090"}, "taken"},
		{"all and all of IPv4", []string{"--listen", "[::]:8090", "--listen", "0.0.0.0:8090"}, "taken"},
		{"all of IPv4 and one of IPv6", []string{"--listen", "0.0.0.0:8090", "--listen", "[::1]:8090"}, "taken"},
		{"two addresses", []string{"--listen", "127.0.0.1:8090", "--listen", "127.0.0.2:8090"}, ""},
		{"any ports", []string{"--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"}, ""},
		{"one socket twice", []string{"--listen", "unix:/run/x", "--listen", "unix:/run/x?mode=0600"}, "taken"},
		{"two sockets", []string{"--listen", "unix:/run/x", "--listen", "unix:/run/y"}, ""},
		{"one name twice", []string{"--listen", "systemd:x", "--listen", "systemd:x"}, "taken"},
		{"the admin listener's", []string{"--listen", ":8081"}, `admin-listen: "127.0.0.1:8081" is taken by listen ":8081"`},
		{"the redirect's", append(public, "--listen", ":443", "--listen", ":80"), "redirect-listen"},
		{"TURN's", append(public, "--turn-listen", ":80"), "turn-listen"},
		{"TURN's, beside the page", public, ""},
		{"TURN's, on all of the page's", append(public, "--listen", "203.0.113.7:443", "--turn-tls-listen", ":443"), "turn-tls-listen"},
		{"the cluster's", []string{"--cluster-listen", "127.0.0.1:8081", "--cluster-peer", "a:1", "--cluster-peer", "b:1"}, "cluster-listen"},
		{"that of direct connections", []string{
			"--cluster-listen", "127.0.0.1:6222", "--cluster-direct-listen", ":6222", "--cluster-peer", "a:1", "--cluster-peer", "b:1",
		}, "cluster-direct-listen"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(append([]string{"--node", "n"}, c.args...), func(string) (string, bool) { return "", false })
			if err == nil && c.want != "" || err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// Of two addresses that overlap the system gives one, and of others both.
func TestOverlapIsTheSystems(t *testing.T) {
	hosts := []string{"", "0.0.0.0", "[::]", "127.0.0.1", "127.0.0.2", "[::1]"}
	for _, a := range hosts {
		for _, b := range hosts {
			first, err := net.Listen("tcp", a+":0")
			if err != nil {
				t.Skip(err) // no IPv6
			}
			_, port, _ := net.SplitHostPort(first.Addr().String())
			second, err := net.Listen("tcp", b+":"+port)
			if got := overlap(a+":"+port, b+":"+port); got != (err != nil) {
				t.Errorf("%q and %q: %v, the system says %v", a, b, got, err)
			}
			if err == nil {
				_ = second.Close()
			}
			_ = first.Close()
		}
	}
}
