package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/auth"
	"github.com/parley-rtc/parley/hub/wire"
)

// newToken returns the command that mints tokens for trying out.
func newToken() *cobra.Command {
	var (
		secretFile, file string
		meta             string
		t                auth.Token
		rights           []string
		ttl              time.Duration
	)
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Mint a token for trying out",
		Long: `Mint a token (JWT, HS256) with the secret of the daemon, for trying out; the first
one if the file has several. In earnest the application that knows its users does
this. The token is written to standard output.`,
		Example: "  parleyd token --auth-secret-file secret --room demo --sub alice --rights send,message,moderate --ttl 1h",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			secret, err := mintingSecret(secretFile, file)
			if err != nil {
				return err
			}
			if err := checkToken(&t, rights, ttl); err != nil {
				return err
			}
			if meta != "" {
				if t.Meta, err = auth.CompactMeta([]byte(meta)); err != nil {
					return fmt.Errorf("meta %w", err)
				}
			}
			t.Rights, t.Expires = wire.ParseRights(rights), time.Now().Add(ttl)
			token, err := auth.Mint(secret, &t)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
			return err
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringArrayVar(&t.Rooms, "room", nil, "`name` of a room, or a prefix that ends in *; repeatable; without it the token is for any room")
	f.StringVar(&t.Subject, "sub", "", "the member's `id`; without it the member chooses")
	f.StringVar(&t.Name, "name", "", "the member's nickname; without it the member chooses")
	f.StringVar(&meta, "meta", "", "the member's profile, in `JSON`; without it the member chooses")
	f.StringSliceVar(&rights, "rights", wire.DefaultRights.Names(), "what the member may do: send, message, moderate")
	f.DurationVar(&ttl, "ttl", time.Hour, "time that the token is good for")
	f.StringVar(&secretFile, "auth-secret-file", "", "`file` with the secret (default: as the daemon, from its environment or --config)")
	f.StringVar(&file, "config", "", "YAML `file` of the daemon")
	return cmd
}

// mintingSecret returns the secret that the daemon knows.
func mintingSecret(secretFile, file string) ([]byte, error) {
	if secretFile == "" {
		c, err := daemonConfig(file)
		if err != nil {
			return nil, err
		}
		secretFile = c.Auth.SecretFile
	}
	if secretFile == "" {
		return nil, errors.New("token: there is no secret to sign with: name its file with --auth-secret-file")
	}
	secrets, err := auth.ReadSecrets(secretFile)
	if err != nil {
		return nil, fmt.Errorf("auth-secret-file: %w", err)
	}
	return secrets[0], nil
}

// checkToken returns why the daemon would refuse such a token, or nil.
func checkToken(t *auth.Token, rights []string, ttl time.Duration) error {
	for _, r := range rights {
		if wire.ParseRights([]string{r}) == 0 {
			return fmt.Errorf("rights: %q is not send, message or moderate", r)
		}
	}
	for _, r := range t.Rooms {
		if prefix, _ := strings.CutSuffix(r, "*"); prefix != "" && !wire.ValidRoom(prefix) && !wire.ValidRoom(r) {
			return fmt.Errorf("room: %q can't be a room's name", r)
		}
	}
	switch {
	case ttl <= 0:
		return fmt.Errorf("ttl: %s is not more than 0", ttl)
	case t.Subject != "" && !wire.ValidID(t.Subject):
		return fmt.Errorf("sub: %q can't be an id", t.Subject)
	case t.Name != "" && !wire.ValidName(t.Name):
		return fmt.Errorf("name: %q can't be a nickname", t.Name)
	}
	return nil
}
