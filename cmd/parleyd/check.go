package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/acme"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/auth"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/config"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/ice"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/webhook"
)

// newCheck returns the command that validates settings.
func newCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Say whether a file of settings is valid",
		Long: `Say whether a daemon would start with this YAML file and the environment as they
are: settings, rules for rooms, and the files with certificates, keys and secrets that
they name. Nothing is started. Exit code 0 if all is valid, else 2.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := config.New().CheckEnvironment(os.Environ()); err != nil {
				return err
			}
			c, err := daemonConfig(args[0])
			if err == nil {
				err = checkFiles(c)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is valid\n", args[0])
			return err
		},
	}
}

// checkICE holds the ICE servers against RFC 7064 and RFC 7065, and against the secret
// that TURN URLs need. The value of the secret does not matter.
func checkICE(c *config.Config) error {
	var secrets func() [][]byte
	if c.TURNSecretFile != "" || c.TURN.On() {
		secrets = func() [][]byte { return nil }
	}
	if _, err := ice.New(c.ICEServers, nil, secrets, c.TURNTTL); err != nil {
		return fmt.Errorf("ice-server: %w", err)
	}
	return nil
}

// checkFiles reads the files that settings name.
func checkFiles(c *config.Config) error {
	log := zap.NewNop()
	for _, s := range []struct {
		setting, file string
		parse         func(string) ([]byte, error)
	}{
		{"admin-token-file", c.AdminToken, asItIs},
		{"turn-secret-file", c.TURNSecretFile, asItIs},
		{"webhook-secret-file", c.Webhooks.SecretFile, webhook.ParseSecret},
		{"cluster-secret-file", c.Cluster.SecretFile, asItIs},
	} {
		if _, err := newSecret(s.setting, s.file, s.parse, log); err != nil {
			return err
		}
	}
	addresses, err := c.Addresses()
	if err != nil {
		return err
	}
	for _, a := range addresses {
		if _, _, err := a.CheckOwner(); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
	}
	if c.Cluster.NATSCreds != "" {
		if _, err := os.ReadFile(c.Cluster.NATSCreds); err != nil {
			return fmt.Errorf("cluster-nats-creds: %w", err)
		}
	}
	if c.TLSCert != "" {
		if _, err := newCertificates(c.TLSCert, c.TLSKey, log); err != nil {
			return err
		}
	}
	if _, err := clusterTLS(&c.Cluster, log); err != nil {
		return err
	}
	if c.ACME.Root != "" {
		if _, err := acme.Roots(c.ACME.Root); err != nil {
			return err
		}
	}
	if err := checkICE(c); err != nil {
		return err
	}
	if a := c.Auth; a.SecretFile != "" || a.JWKS != "" && !strings.Contains(a.JWKS, "://") {
		o := auth.Options{SecretFile: a.SecretFile}
		if !strings.Contains(a.JWKS, "://") {
			o.JWKS = a.JWKS // what is behind a URL may be there later
		}
		v, err := auth.New(o)
		if err != nil {
			return err
		}
		v.Close()
	}
	return nil
}
