package main

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/doctor"
)

// newDoctor returns the command that looks at a server as its users meet it.
func newDoctor() *cobra.Command {
	var (
		o      doctor.Options
		caFile string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "doctor URL",
		Short: "Look at a server from outside, as its users meet it",
		Long: `Look at a server from outside, as its users meet it: name, certificate, page,
WebSockets through the proxies in between, Origin, pings, the largest message, quiet
connections, ICE servers, STUN, and relays over UDP, TCP and TLS. URL is that of the
page; run the command where the users are.

Each line has a verdict (ok, warning, problem, skipped), the reason and what to do.
The exit code is 1 if there is a problem.`,
		Example: "  parleyd doctor https://meet.example.org",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
			defer stop()
			o.URL = args[0]
			if caFile != "" {
				text, err := os.ReadFile(caFile)
				if err != nil {
					return fmt.Errorf("ca-file: %w", err)
				}
				if o.Roots = x509.NewCertPool(); !o.Roots.AppendCertsFromPEM(text) {
					return errors.New("ca-file: there is no certificate in it")
				}
			}
			findings := []doctor.Finding{}
			report := func(f doctor.Finding) {
				findings = append(findings, f)
				if !asJSON {
					writeFinding(cmd.OutOrStdout(), f)
				}
			}
			if err := doctor.Run(ctx, o, report); err != nil {
				return err
			}
			return conclude(cmd.OutOrStdout(), findings, asJSON)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.DurationVar(&o.Quiet, "quiet", 40*time.Second, "how long a quiet connection is watched; 0: not at all")
	f.DurationVar(&o.Timeout, "timeout", 10*time.Second, "time for each step")
	f.StringVar(&o.Origin, "origin", "", "`origin` of the page that connects, as in https://app.example.org (default that of URL)")
	f.StringVar(&o.Room, "room", "", "room to join (default one that nobody knows)")
	f.StringVar(&o.Token, "token", "", "token to join with")
	f.StringVar(&o.Passcode, "passcode", "", "passcode to join with")
	f.StringVar(&caFile, "ca-file", "", "PEM `file` of the authorities to trust (default the system's)")
	f.BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

// writeFinding writes a line, and what to do in another.
func writeFinding(w io.Writer, f doctor.Finding) {
	fmt.Fprintf(w, "%-8s %-12s %s\n", f.Verdict, f.Check, f.Reason)
	if f.Advice != "" {
		fmt.Fprintf(w, "%22s%s\n", "→ ", f.Advice)
	}
}

// conclude sums up. The error says that there is a problem.
func conclude(w io.Writer, findings []doctor.Finding, asJSON bool) error {
	counts := map[doctor.Verdict]int{}
	for _, f := range findings {
		counts[f.Verdict]++
	}
	problems, warnings := counts[doctor.Problem], counts[doctor.Warning]
	if asJSON {
		text, err := json.MarshalIndent(struct {
			Problems int              `json:"problems"`
			Warnings int              `json:"warnings"`
			Findings []doctor.Finding `json:"findings"`
		}{problems, warnings, findings}, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintln(w, string(text))
	} else {
		fmt.Fprintf(w, "\n%s, %s\n", count(problems, "problem"), count(warnings, "warning"))
	}
	if problems > 0 {
		return failed{}
	}
	return nil
}

// count returns a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
