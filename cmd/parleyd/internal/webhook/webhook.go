// Package webhook tells an application over HTTP what happens, and asks it who may
// join. Requests are signed as Standard Webhooks has it (the headers webhook-id,
// webhook-timestamp and webhook-signature), so that the application knows who sends
// them. The hub waits for none of this.
package webhook

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// MinSecretBytes and MaxSecretBytes bound the secret, decoded, as the specification
// has it.
const (
	MinSecretBytes = 24
	MaxSecretBytes = 64
)

// maxAnswerBytes is the longest answer that is read.
const maxAnswerBytes = 64 << 10

// ParseSecret reads a secret: base64, with or without "whsec_" before it.
func ParseSecret(text string) ([]byte, error) {
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
	if err != nil {
		return nil, errors.New("the secret is not base64, as in whsec_…")
	}
	if len(secret) < MinSecretBytes || len(secret) > MaxSecretBytes {
		return nil, fmt.Errorf("the secret has %d bytes, not %d to %d", len(secret), MinSecretBytes, MaxSecretBytes)
	}
	return secret, nil
}

// poster sends signed requests to one URL.
type poster struct {
	url    string
	secret func() []byte
	client *http.Client
}

func newPoster(target string, secret func() []byte, timeout time.Duration) (*poster, error) {
	u, err := url.Parse(target)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, errors.New("webhook: the URL is not an http or https URL")
	case secret == nil:
		return nil, errors.New("webhook: there is no secret to sign with")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = workers
	return &poster{url: target, secret: secret, client: &http.Client{
		Timeout:   timeout,
		Transport: transport,
		// A redirect would send the body to a server that the settings do not name.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// newID returns an identifier for a message.
func newID() string { return "msg_" + rand.Text() }

// post sends a message, and returns the answer's status and body. An id stays the
// same when a message is sent again.
func (p *poster) post(ctx context.Context, id string, body []byte) (status int, answer []byte, err error) {
	signer, err := standardwebhooks.NewWebhookRaw(p.secret())
	if err != nil {
		return 0, nil, err
	}
	now := time.Now()
	signature, err := signer.Sign(id, now, body)
	if err != nil {
		return 0, nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "parleyd")
	request.Header.Set(standardwebhooks.HeaderWebhookID, id)
	request.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	request.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	response, err := p.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	return response.StatusCode, answer, err
}
