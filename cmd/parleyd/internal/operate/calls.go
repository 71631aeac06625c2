package operate

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/admin"
)

func (c *client) calls() *cobra.Command {
	cmd := &cobra.Command{Use: "calls", Short: "List calls: those that are live and those of the last hour", Args: cobra.NoArgs}
	f := newFilters(cmd, map[string]string{
		"room": "only calls in this room", "member": "only calls from or to this id",
		"contains": "only calls whose room or one of whose ids has this in it",
		"live":     "true: only live calls; false: only others", "state": "only calls in this state, such as ringing, connected or failed",
	})
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return list(cmd.Context(), c, "calls", f.query(), f.most, func(calls []admin.Call) error {
			rows := [][]string{{"CALL", "ROOM", "FROM", "TO", "STATE", "PATH", "SETUP", "RTT", "LOSS", "AGE", "LASTED"}}
			for i := range calls {
				one := &calls[i]
				lasted := ""
				if one.Ended != nil {
					lasted = one.Ended.Sub(one.Started).Round(time.Second).String()
				}
				rows = append(rows, []string{
					one.ID, one.Room, one.From, one.To, one.State, path(one), span(one.Setup), span(one.RTT), share(one.Loss), age(one.Started), lasted,
				})
			}
			return c.table(rows...)
		})
	}
	return cmd
}

func path(c *admin.Call) string { return strings.TrimSuffix(c.Path+"/"+c.Protocol, "/") }

// span writes seconds; nil: unknown.
func span(s *float64) string {
	if s == nil {
		return "-"
	}
	return time.Duration(*s * float64(time.Second)).Round(time.Millisecond).String()
}

// share writes a share in percent; nil: unknown.
func share(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", *v*100)
}

func (c *client) call() *cobra.Command {
	return &cobra.Command{
		Use: "call ID", Short: "Tell the story of one call", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return get(cmd.Context(), c, "call", url.Values{"id": args}, func(d admin.CallDetail) error {
				fmt.Fprintf(c.out, "%s called %s in %s: %s", d.From, d.To, d.Room, d.State)
				for _, word := range []string{d.Reason, d.Cause, path(&d.Call)} {
					if word != "" {
						fmt.Fprintf(c.out, ", %s", word)
					}
				}
				fmt.Fprintf(c.out, "\nset up in %s, round-trip time %s (worst %s), loss %s (worst %s), %d offers\n",
					span(d.Setup), span(d.RTT), span(d.RTTWorst), share(d.Loss), share(d.LossWorst), d.Offers)
				rows := [][]string{}
				for i, s := range d.Story {
					said := s.Reason
					if s.Report != nil {
						b, err := json.Marshal(s.Report)
						if err != nil {
							return err
						}
						said = string(b)
					}
					rows = append(rows, []string{s.Time.Local().Format("15:04:05.000"), s.What, s.By, said})
					if d.Omitted > 0 && i == len(d.Story)/2-1 {
						rows = append(rows, []string{"…", fmt.Sprintf("%d steps", d.Omitted), "", "not kept"})
					}
				}
				return c.table(rows...)
			})
		},
	}
}
