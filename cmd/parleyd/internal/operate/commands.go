package operate

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/admin"
)

// table writes rows of which the first is the heading.
func (c *client) table(rows ...[]string) error {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		if _, err := fmt.Fprintln(w, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	return w.Flush()
}

// age is how long ago something was, to the second.
func age(t time.Time) string { return time.Since(t).Round(time.Second).String() }

// filters are the flags of a list, named as the parameters of the API.
type filters struct {
	cmd  *cobra.Command
	most int
}

func newFilters(cmd *cobra.Command, flags map[string]string) *filters {
	f := &filters{cmd: cmd}
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		cmd.Flags().String(name, "", flags[name])
	}
	cmd.Flags().IntVar(&f.most, "limit", 100, "`items` to show; 0: all")
	return f
}

func (f *filters) query() url.Values {
	q := url.Values{}
	for _, name := range []string{"prefix", "contains", "locked", "room", "member", "live", "state", "remote", "joined", "sort"} {
		if flag := f.cmd.Flags().Lookup(name); flag != nil && flag.Changed {
			q.Set(name, flag.Value.String())
		}
	}
	return q
}

func (c *client) rooms() *cobra.Command {
	cmd := &cobra.Command{Use: "rooms", Short: "List rooms", Args: cobra.NoArgs}
	f := newFilters(cmd, map[string]string{
		"prefix": "only rooms whose names begin so", "contains": "only rooms whose names have this in them",
		"locked": "true: only locked rooms; false: only others", "sort": "members or opened; without it by name",
	})
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return list(cmd.Context(), c, "rooms", f.query(), f.most, func(rooms []admin.Room) error {
			rows := [][]string{{"ROOM", "MEMBERS", "LOCKED", "AGE"}}
			for _, r := range rooms {
				rows = append(rows, []string{r.Name, fmt.Sprint(r.Members), yes(r.Locked), age(r.Opened)})
			}
			return c.table(rows...)
		})
	}
	return cmd
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (c *client) room() *cobra.Command {
	return &cobra.Command{
		Use: "room ROOM", Short: "Show one room with its members", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return get(cmd.Context(), c, "room", url.Values{"name": args}, func(d admin.RoomDetail) error {
				fmt.Fprintf(c.out, "%s: %d members, locked: %s, open for %s\n", d.Name, d.Members, yes(d.Locked), age(d.Opened))
				return c.memberTable(d.MemberList)
			})
		},
	}
}

func (c *client) memberTable(members []admin.Member) error {
	rows := [][]string{{"ROOM", "ID", "NAME", "CONN", "REMOTE", "RIGHTS", "BACKLOG", "AGE"}}
	for _, m := range members {
		conn := "lost"
		if m.Conn != 0 {
			conn = fmt.Sprint(m.Conn)
		}
		rows = append(rows, []string{
			m.Room, m.ID, m.Name, conn, m.Remote, strings.Join(m.Rights, ","), fmt.Sprint(m.Backlog), age(m.Joined),
		})
	}
	return c.table(rows...)
}

func (c *client) members() *cobra.Command {
	cmd := &cobra.Command{Use: "members [ROOM]", Short: "List members", Args: cobra.MaximumNArgs(1)}
	f := newFilters(cmd, map[string]string{
		"contains": "only those whose id or nickname has this in it", "sort": "backlog; without it by room and id",
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q := f.query()
		if len(args) > 0 {
			q.Set("room", args[0])
		}
		return list(cmd.Context(), c, "members", q, f.most, c.memberTable)
	}
	return cmd
}

func (c *client) connections() *cobra.Command {
	cmd := &cobra.Command{Use: "connections", Short: "List connections", Args: cobra.NoArgs}
	f := newFilters(cmd, map[string]string{
		"remote": "only from this address", "joined": "true: only those in a room; false: only others",
		"sort": "backlog; without it by number",
	})
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return list(cmd.Context(), c, "connections", f.query(), f.most, func(all []admin.Connection) error {
			rows := [][]string{{"CONN", "REMOTE", "ROOM", "ID", "BACKLOG", "AGE"}}
			for _, one := range all {
				rows = append(rows, []string{
					fmt.Sprint(one.Conn), one.Remote, one.Room, one.ID, fmt.Sprint(one.Backlog), age(one.Opened),
				})
			}
			return c.table(rows...)
		})
	}
	return cmd
}

func (c *client) nodes() *cobra.Command {
	return &cobra.Command{
		Use: "nodes", Short: "List the nodes of the cluster", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd.Context(), c, "nodes", url.Values{}, 0, func(nodes []admin.Node) error {
				rows := [][]string{{"NODE", "STATE", "PARTITIONS", "ROOMS", "MEMBERS", "CONNECTIONS"}}
				for _, n := range nodes {
					rows = append(rows, []string{
						n.Name, n.State, fmt.Sprint(n.Partitions), fmt.Sprint(n.Rooms), fmt.Sprint(n.Members), fmt.Sprint(n.Connections),
					})
				}
				return c.table(rows...)
			})
		},
	}
}

func (c *client) status() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show how the daemon is doing", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return get(cmd.Context(), c, "status", nil, func(s admin.Status) error {
				return c.table(
					[]string{"version", s.Version},
					[]string{"up for", age(s.Started)},
					[]string{"connections", fmt.Sprint(s.Connections)},
					[]string{"rooms", fmt.Sprint(s.Rooms)},
					[]string{"members", fmt.Sprint(s.Members)},
					[]string{"suspended", fmt.Sprint(s.Suspended)},
					[]string{"calls", fmt.Sprint(s.Calls)},
					[]string{"messages", fmt.Sprint(s.Messages)},
					[]string{"refusals", fmt.Sprint(s.Refusals)},
					[]string{"waiting bytes", fmt.Sprint(s.OutboxBytes)},
					[]string{"heap bytes", fmt.Sprint(s.HeapBytes)},
				)
			})
		},
	}
}

func (c *client) config() *cobra.Command {
	return &cobra.Command{
		Use: "config", Short: "Show the settings in force, without secrets", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return get(cmd.Context(), c, "config", nil, func(all map[string]any) error {
				rows := [][]string{}
				for _, name := range slices.Sorted(maps.Keys(all)) {
					value, ok := all[name].(string)
					if !ok {
						b, err := json.Marshal(all[name])
						if err != nil {
							return err
						}
						value = string(b)
					}
					rows = append(rows, []string{name, value})
				}
				return c.table(rows...)
			})
		},
	}
}

func (c *client) kick() *cobra.Command {
	return &cobra.Command{
		Use: "kick ROOM ID", Short: "Remove a member from a room", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.order(cmd.Context(), "kick", admin.Order{Room: args[0], ID: args[1]}, args[1]+" was removed from "+args[0])
		},
	}
}

func (c *client) lock(name, short string) *cobra.Command {
	return &cobra.Command{
		Use: name + " ROOM", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.order(cmd.Context(), name, admin.Order{Room: args[0]}, args[0]+" is "+name+"ed")
		},
	}
}

func (c *client) closeRoom() *cobra.Command {
	return &cobra.Command{
		Use: "close ROOM", Short: "Remove all members of a room, which ends it", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.order(cmd.Context(), "close", admin.Order{Room: args[0]}, args[0]+" is closed")
		},
	}
}

func (c *client) message() *cobra.Command {
	return &cobra.Command{
		Use: "message ROOM JSON", Short: "Send a message to all members of a room", Args: cobra.ExactArgs(2),
		Long: `Send a message to all members of a room, without a sender. On the page that comes
with parleyd, {"text":"…"} is shown as a notice.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case !utf8.ValidString(args[1]):
				return fmt.Errorf("message: %q is not UTF-8", args[1])
			case !json.Valid([]byte(args[1])):
				return fmt.Errorf("message: %q is not JSON", args[1])
			}
			return c.order(cmd.Context(), "message", admin.Order{Room: args[0], Data: json.RawMessage(args[1])}, "sent to "+args[0])
		},
	}
}

func (c *client) drain() *cobra.Command {
	return &cobra.Command{
		Use: "drain", Short: "Drain the daemon and end it, as SIGTERM does", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.order(cmd.Context(), "drain", nil, "draining")
		},
	}
}

func (c *client) reload() *cobra.Command {
	return &cobra.Command{
		Use: "reload", Short: "Have the daemon read its settings again, as SIGHUP does", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := c.do(cmd.Context(), http.MethodPost, "reload", nil, nil)
			if err != nil {
				return err
			}
			if c.asJSON {
				_, err := fmt.Fprintln(c.out, strings.TrimSpace(string(text)))
				return err
			}
			var r admin.Reloaded
			if err := json.Unmarshal(text, &r); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.out, "changed: %s\nneed a restart: %s\n", names(r.Changed), names(r.Restart))
			return err
		},
	}
}

// names joins the names of settings.
func names(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}
