// Package operate has the commands with which a running daemon is looked at and
// acted on, by its admin API.
package operate

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/admin"
)

// client asks the admin API of one daemon.
type client struct {
	server, tokenFile string
	asJSON            bool
	timeout           time.Duration
	out               io.Writer
}

// New returns the command admin with its own.
func New() *cobra.Command {
	c := new(client)
	cmd := &cobra.Command{
		Use:   "admin",
		Short: "Look at a running daemon, and act on it",
		Long: `Look at a running daemon, and act on it, by the API on its admin listener. The
flags --server and --token-file are also the environment variables PARLEY_ADMIN_URL
and PARLEY_ADMIN_TOKEN_FILE.`,
		Args:             cobra.NoArgs,
		RunE:             func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRun: func(cmd *cobra.Command, _ []string) { c.out = cmd.OutOrStdout() },
	}
	f := cmd.PersistentFlags()
	f.StringVar(&c.server, "server", cmp.Or(os.Getenv("PARLEY_ADMIN_URL"), "http://127.0.0.1:8081"), "`URL` of the admin listener")
	f.StringVar(&c.tokenFile, "token-file", os.Getenv("PARLEY_ADMIN_TOKEN_FILE"), "`file` with the admin token")
	f.BoolVar(&c.asJSON, "json", false, "write JSON, as the API has it")
	f.DurationVar(&c.timeout, "timeout", 30*time.Second, "time for an answer")
	cmd.AddCommand(c.status(), c.nodes(), c.rooms(), c.room(), c.members(), c.connections(), c.calls(), c.call(), c.config(),
		c.kick(), c.lock("lock", "Lock a room: only moderators can join"), c.lock("unlock", "Unlock a room"),
		c.closeRoom(), c.message(), c.drain(), c.reload())
	return cmd
}

// do sends a request, and returns the body of an answer that is a success.
func (c *client) do(ctx context.Context, method, path string, query url.Values, body any) ([]byte, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	target := strings.TrimSuffix(c.server, "/") + "/api/v1/" + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if c.tokenFile != "" {
		token, err := os.ReadFile(c.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("token-file: %w", err)
		}
		request.Header.Set("Authorization", "Bearer "+string(bytes.TrimSpace(token)))
	}
	answer, err := http.DefaultClient.Do(request)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w; --server names the daemon's --admin-listen", err)
	case err != nil:
		return nil, err
	}
	defer answer.Body.Close()
	if text, err = io.ReadAll(answer.Body); err != nil {
		return nil, err
	}
	if answer.StatusCode >= http.StatusMultipleChoices {
		var f admin.Failure
		if json.Unmarshal(text, &f) != nil || f.Error == "" {
			return nil, errors.New(answer.Status)
		}
		return nil, errors.New(f.Error)
	}
	return text, nil
}

// get fetches one thing and shows it.
func get[T any](ctx context.Context, c *client, path string, query url.Values, show func(T) error) error {
	text, err := c.do(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return err
	}
	if c.asJSON {
		_, err := fmt.Fprintln(c.out, strings.TrimSpace(string(text)))
		return err
	}
	var answer T
	if err := json.Unmarshal(text, &answer); err != nil {
		return err
	}
	return show(answer)
}

// pageOf returns how large the pages are of which most items are wanted; 0: all.
func pageOf(most int) int {
	const largest = 1000
	if most <= 0 {
		return largest
	}
	return min(most, largest)
}

// list fetches the pages of a list, up to most items (0: all), and shows them.
func list[T any](ctx context.Context, c *client, path string, query url.Values, most int, show func([]T) error) error {
	all := admin.Page[T]{Items: []T{}}
	query.Set("limit", strconv.Itoa(pageOf(most)))
	more := false
	for {
		text, err := c.do(ctx, http.MethodGet, path, query, nil)
		if err != nil {
			return err
		}
		var p admin.Page[T]
		if err := json.Unmarshal(text, &p); err != nil {
			return err
		}
		all.Total = p.Total
		all.Items = append(all.Items, p.Items...)
		more = p.Next != ""
		if p.Next == "" || most > 0 && len(all.Items) >= most {
			break
		}
		query.Set("cursor", p.Next)
	}
	if most > 0 && len(all.Items) > most {
		all.Items, more = all.Items[:most], true
	}
	if c.asJSON {
		return json.NewEncoder(c.out).Encode(all)
	}
	if err := show(all.Items); err != nil {
		return err
	}
	var err error
	switch {
	case all.Total == nil && more:
		_, err = fmt.Fprintln(c.out, "and more")
	case all.Total != nil && *all.Total > len(all.Items):
		_, err = fmt.Fprintf(c.out, "and %d more\n", *all.Total-len(all.Items))
	}
	return err
}

// order sends an order, and says what was done.
func (c *client) order(ctx context.Context, path string, body any, done string) error {
	text, err := c.do(ctx, http.MethodPost, path, nil, body)
	switch {
	case err != nil:
		return err
	case c.asJSON:
		_, err = fmt.Fprintln(c.out, strings.TrimSpace(string(text)))
	default:
		_, err = fmt.Fprintln(c.out, done)
	}
	return err
}
