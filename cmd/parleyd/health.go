package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/config"
	"github.com/parley-rtc/parley/wsconn/clientip"
)

// newHealth returns the command that asks a daemon how it is.
func newHealth() *cobra.Command {
	var (
		url, file string
		timeout   time.Duration
	)
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a daemon whether it takes connections",
		Long: `Ask a daemon whether it takes connections, for the health check of a container:
exit code 0 if it does, else 1. Without --url it is the daemon on this machine that
the environment and --config describe, or in a container the flags of its first process.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			client := &http.Client{Timeout: timeout}
			if url == "" {
				c, err := runningConfig(file, firstProcess)
				if err != nil {
					return err
				}
				var socket string
				if url, socket, err = readyURL(c); err != nil {
					return err
				}
				if client.Transport, err = ownTransport(c, socket); err != nil {
					return err
				}
			}
			answer, err := client.Get(url)
			if err != nil {
				return failed{fmt.Errorf("health: %w", err)}
			}
			defer answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				return failed{fmt.Errorf("health: answered with %s", answer.Status)}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&url, "url", "", "`URL` to ask, as in http://127.0.0.1:8080/readyz")
	f.StringVar(&file, "config", "", "YAML `file` of the daemon")
	f.DurationVar(&timeout, "timeout", 3*time.Second, "time for the answer")
	return cmd
}

// firstProcess has the command line of the first process of a container (proc(5)).
const firstProcess = "/proc/1/cmdline"

// runningConfig returns the settings of the daemon on this machine: those that the file
// describes, or else those of the first process, if that is the daemon.
func runningConfig(file, process string) (*config.Config, error) {
	if file != "" {
		return daemonConfig(file)
	}
	text, err := os.ReadFile(process)
	if err != nil {
		return daemonConfig("")
	}
	words := strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
	if filepath.Base(words[0]) != "parleyd" {
		return daemonConfig("")
	}
	return config.Load(words[1:], os.LookupEnv)
}

// fromProxy is the header of a connection that a proxy opens for itself (PROXY protocol,
// version 1).
const fromProxy = "PROXY UNKNOWN\r\n"

// ownTransport asks a daemon on this machine: its certificate is for the name that clients
// use, which a daemon with several certificates must be told. Where it takes this machine
// for a proxy that sends the PROXY protocol, it gets a header.
func ownTransport(c *config.Config, socket string) (*http.Transport, error) {
	t := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	if c.ACME.On() {
		t.TLSClientConfig.ServerName = c.ACME.Domains[0]
	}
	proxies, err := clientip.ParseProxies(c.TrustedProxies)
	if err != nil {
		return nil, err
	}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if socket != "" {
			network, address = "unix", socket
		}
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil || !c.ProxyProtocol || !proxies.Trusts(ownAddress(conn)) {
			return conn, err
		}
		if _, err := io.WriteString(conn, fromProxy); err != nil {
			_ = conn.Close()
			return nil, err
		}
		return conn, nil
	}
	return t, nil
}

// ownAddress returns the address from which a connection is made; invalid: it is on a
// Unix socket.
func ownAddress(c net.Conn) netip.Addr {
	tcp, ok := c.LocalAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// readyURL returns where a daemon with these settings is asked on its own machine, and
// the Unix socket to ask through; "": none.
func readyURL(c *config.Config) (url, socket string, err error) {
	addresses, err := c.Addresses()
	if err != nil {
		return "", "", err
	}
	for _, a := range addresses {
		if a.Path != "" {
			return "http://localhost" + c.BasePath + "/readyz", a.Path, nil
		}
		if a.TCP == "" {
			continue
		}
		host, port, _ := net.SplitHostPort(a.TCP) // has been checked
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			host = "127.0.0.1"
		}
		scheme := "http"
		if c.TLS() {
			scheme = "https"
		}
		return scheme + "://" + net.JoinHostPort(host, port) + c.BasePath + "/readyz", "", nil
	}
	return "", "", errors.New("health: only systemd knows where the daemon listens: name it with --url")
}
