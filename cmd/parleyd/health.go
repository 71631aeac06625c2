package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/config"
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
the environment or --config describes.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			client := &http.Client{Timeout: timeout}
			if url == "" {
				c, err := daemonConfig(file)
				if err != nil {
					return err
				}
				url = readyURL(c)
				// The certificate is for the name that clients use, and not for this machine.
				client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
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

// readyURL returns where a daemon with these settings is asked on its own machine.
func readyURL(c *config.Config) string {
	host, port, _ := net.SplitHostPort(c.Listen) // has been checked
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	scheme := "http"
	if c.TLS() {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port) + "/readyz"
}
