package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/gate"
)

// newPasscode returns the command that hashes a passcode.
func newPasscode() *cobra.Command {
	return &cobra.Command{
		Use:   "passcode",
		Short: "Hash a room's passcode for the settings file",
		Long: `Hash a passcode, read from standard input, with bcrypt. The hash is written to
standard output, for the settings file:

  rooms:
    board: {passcode: "$2a$10$…"}`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			passcode, err := readPasscode(cmd)
			if err != nil {
				return fmt.Errorf("passcode: %w", err)
			}
			hash, err := gate.HashPasscode(passcode)
			if err != nil {
				return fmt.Errorf("passcode: %w", err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), hash)
			return err
		},
	}
}

// readPasscode reads a line; from a terminal without showing it.
func readPasscode(cmd *cobra.Command) (string, error) {
	if in := int(os.Stdin.Fd()); term.IsTerminal(in) {
		fmt.Fprint(os.Stderr, "Passcode: ")
		line, err := term.ReadPassword(in)
		fmt.Fprintln(os.Stderr)
		return string(line), err
	}
	lines := bufio.NewScanner(cmd.InOrStdin())
	lines.Scan()
	return strings.TrimRight(lines.Text(), "\r"), lines.Err()
}
