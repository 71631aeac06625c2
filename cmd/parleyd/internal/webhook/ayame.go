package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/redact"
	"github.com/parley-rtc/parley/wsconn/ayame"
)

// Ayame asks and tells an application as an Ayame server does. Its requests are not signed:
// such applications expect none. It is an [ayame.Webhook].
type Ayame struct {
	authn, disconnect string // URLs; empty: everybody is let in, nobody is told
	client            *http.Client
	log               *zap.Logger
	telling           chan struct{} // has a place for each message under way
}

// Bounds of Ayame's requests. Clients wait for the answer of one, so it takes no longer than
// a gate may.
const (
	ayameTimeout = 5 * time.Second
	ayameTelling = 64
)

// NewAyame makes an Ayame; nil if there is neither URL.
func NewAyame(authn, disconnect string, log *zap.Logger) *Ayame {
	if authn == "" && disconnect == "" {
		return nil
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = workers
	return &Ayame{
		authn: authn, disconnect: disconnect, log: log, telling: make(chan struct{}, ayameTelling),
		client: &http.Client{
			Timeout: ayameTimeout, Transport: transport,
			// A redirect would send the body to a server that the settings do not name.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Authn implements [ayame.Webhook].
func (a *Ayame) Authn(ctx context.Context, q *ayame.Question) (*ayame.Answer, error) {
	answer := new(ayame.Answer)
	if a.authn == "" {
		yes := true
		answer.Allowed = &yes
		return answer, nil
	}
	body, err := a.post(ctx, a.authn, q)
	if err == nil {
		if err = json.Unmarshal(body, answer); err != nil {
			err = errors.New("the answer is not what Ayame's would be")
		}
	}
	if err != nil {
		a.log.Warn(EventAyameFailed, zap.String("error", redact.Error(err)))
		return nil, err
	}
	return answer, nil
}

// Gone implements [ayame.Webhook]. If the application takes too long to hear of many, it is
// not told of further ones, and the log tells so.
func (a *Ayame) Gone(g ayame.Gone) {
	if a.disconnect == "" {
		return
	}
	select {
	case a.telling <- struct{}{}:
	default:
		a.log.Warn(EventAyameFailed, zap.String("error", "too many messages are under way: one is dropped"))
		return
	}
	go func() {
		defer func() { <-a.telling }()
		if _, err := a.post(context.Background(), a.disconnect, g); err != nil {
			a.log.Warn(EventAyameFailed, zap.String("error", redact.Error(err)))
		}
	}()
}

// post sends JSON, and returns the body of an answer with 200.
func (a *Ayame) post(ctx context.Context, url string, message any) ([]byte, error) {
	body, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "parleyd")
	response, err := a.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer has the status %d", response.StatusCode)
	}
	return io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
}
