package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/auth"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/gate"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/redact"
	"github.com/parley-rtc/parley/hub/wire"
)

// JoinOptions say how an application is asked.
type JoinOptions struct {
	URL      string        // http or https
	Secret   func() []byte // to sign with; required
	Timeout  time.Duration // for an answer; 0: 3 s
	Cache    time.Duration // for which an answer about a token holds; 0: every join asks
	FailOpen bool          // without an answer a member is let in
	Logger   *zap.Logger   // nil: none
}

// defaultTimeout is that of the setting join-webhook-timeout.
const defaultTimeout = 3 * time.Second

// Join asks an application who may join. It is a [gate.Application].
type Join struct {
	// Stats counts the joins by what came of them.
	Stats struct{ Allowed, Refused, Failed, Cached atomic.Uint64 }

	options JoinOptions
	poster  *poster

	mu      sync.Mutex
	answers map[[sha256.Size]byte]cached // guarded by mu
}

// cached is an answer that holds for a while.
type cached struct {
	answer  *gate.Answer
	refusal error
	until   time.Time
}

// maxCached bounds the answers that are kept.
const maxCached = 10_000

// NewJoin makes a Join. The error says which option can't be used.
func NewJoin(o JoinOptions) (*Join, error) {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	p, err := newPoster(o.URL, o.Secret, o.Timeout)
	if err != nil {
		return nil, err
	}
	return &Join{options: o, poster: p, answers: make(map[[sha256.Size]byte]cached)}, nil
}

// question is the body of the request.
type question struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      struct {
		Room   string          `json:"room"`
		ID     string          `json:"id,omitempty"`
		Name   string          `json:"name,omitempty"`
		Meta   json.RawMessage `json:"meta,omitempty"`
		Token  string          `json:"token,omitempty"`
		Remote string          `json:"remote,omitempty"`
		Rights []string        `json:"rights"`
	} `json:"data"`
}

// answer is the body of what comes back.
type answer struct {
	Allow   *bool           `json:"allow"`
	Reason  string          `json:"reason"`
	ID      string          `json:"id"`
	Name    string          `json:"name"`
	Meta    json.RawMessage `json:"meta"`
	Rights  *[]string       `json:"rights"`
	Expires time.Time       `json:"expires"`
}

var errDown = &wire.Refusal{Code: wire.CodeUnavailable, Text: "the server could not ask whether you may join: try again", Reason: "the join webhook failed"}

// Join implements [gate.Application].
func (j *Join) Join(ctx context.Context, q *gate.Question) (*gate.Answer, error) {
	k := keyOf(q)
	keep := q.Token != "" && j.options.Cache > 0
	if c, found := j.look(k); keep && found {
		j.Stats.Cached.Add(1)
		return c.answer, c.refusal
	}
	a, refusal, err := j.ask(ctx, q)
	switch {
	case err != nil:
		j.Stats.Failed.Add(1)
		j.options.Logger.Warn(EventJoinFailed, zap.String("error", redact.Error(err)), zap.Bool("let_in", j.options.FailOpen))
		if j.options.FailOpen {
			return new(gate.Answer), nil
		}
		down := *errDown
		down.Reason += ": " + redact.Error(err)
		return nil, &down
	case refusal != nil:
		j.Stats.Refused.Add(1)
	default:
		j.Stats.Allowed.Add(1)
	}
	if keep {
		j.keep(k, cached{a, refusal, time.Now().Add(j.options.Cache)})
	}
	return a, refusal
}

// keyOf returns what an answer is kept under: all that the application is told.
func keyOf(q *gate.Question) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%t %q %q %q %q %q %s %s",
		q.Renewing, q.Token, q.Room, q.ID, q.Name, q.Meta, q.Remote, q.Rights))
}

func (j *Join) look(k [sha256.Size]byte) (cached, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	c, found := j.answers[k]
	return c, found && time.Now().Before(c.until)
}

func (j *Join) keep(k [sha256.Size]byte, c cached) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.answers) >= maxCached {
		now := time.Now()
		for k, old := range j.answers {
			if now.After(old.until) {
				delete(j.answers, k)
			}
		}
		if len(j.answers) >= maxCached {
			clear(j.answers)
		}
	}
	j.answers[k] = c
}

// ask returns the application's answer or refusal, or an error if it gave neither.
func (j *Join) ask(ctx context.Context, q *gate.Question) (a *gate.Answer, refusal, failure error) {
	m := question{Type: "member.joining", Timestamp: time.Now().UTC()}
	if q.Renewing {
		m.Type = "member.renewing"
	}
	m.Data.Room, m.Data.ID, m.Data.Name, m.Data.Meta, m.Data.Token = q.Room, q.ID, q.Name, q.Meta, q.Token
	m.Data.Rights = q.Rights.Names()
	if q.Remote.IsValid() {
		m.Data.Remote = q.Remote.String()
	}
	body, err := json.Marshal(m)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, j.options.Timeout)
	defer cancel()
	status, text, err := j.poster.post(ctx, newID(), body)
	if err != nil {
		return nil, nil, err
	}
	switch status {
	case http.StatusOK:
		return read(text)
	case http.StatusUnauthorized, http.StatusForbidden:
		no := answer{Allow: new(bool)}
		_ = json.Unmarshal(text, &no) // the reason is welcome and not needed
		return nil, refused(&no, status), nil
	}
	return nil, nil, fmt.Errorf("answered with status %d", status)
}

// read makes of an answer what the gate needs.
func read(text []byte) (a *gate.Answer, refusal, failure error) {
	var said answer
	if err := json.Unmarshal(text, &said); err != nil {
		return nil, nil, fmt.Errorf("the answer: %w", err)
	}
	id, validID := wire.NormalID(said.ID)
	name, validName := wire.NormalName(said.Name)
	switch {
	case said.Allow == nil:
		return nil, nil, errors.New("the answer has no \"allow\"")
	case !*said.Allow:
		return nil, refused(&said, http.StatusForbidden), nil
	case said.ID != "" && !validID:
		return nil, nil, errors.New("the answer's \"id\" is not a valid id")
	case said.Name != "" && !validName:
		return nil, nil, errors.New("the answer's \"name\" is not a valid nickname")
	}
	var meta json.RawMessage
	if said.Meta != nil && string(said.Meta) != "null" {
		var err error
		if meta, err = auth.CompactMeta(said.Meta); err != nil {
			return nil, nil, fmt.Errorf("the answer's \"meta\" %w", err)
		}
	}
	g := &gate.Answer{Meta: meta, ID: id, Name: name, Expires: said.Expires}
	if said.Rights != nil {
		rights := wire.ParseRights(*said.Rights)
		g.Rights = &rights
	}
	return g, nil, nil
}

// maxReason bounds the words that the application has for a member, in bytes.
const maxReason = 200

func refused(a *answer, status int) *wire.Refusal {
	r := &wire.Refusal{Code: wire.CodeForbidden, Text: "you may not join this room", Reason: "the application refused"}
	if status == http.StatusUnauthorized {
		r.Code, r.Needs = wire.CodeUnauthorized, "token"
	}
	if a.Reason != "" && len(a.Reason) <= maxReason && utf8.ValidString(a.Reason) {
		r.Text = a.Reason
		r.Reason = "the application refused: " + a.Reason
	}
	return r
}
