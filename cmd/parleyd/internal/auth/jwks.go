package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/zap"
)

// minRSABits is the shortest RSA key (RFC 7518, 3.3).
const minRSABits = 2048

// parseJWKS reads a JWK set. Keys of kinds that are not taken here are left out;
// a set without any other is an error.
func parseJWKS(text []byte) ([]key, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("not a JWK set: %w", err)
	}
	var all []key
	for _, raw := range set.Keys {
		var j jose.JSONWebKey
		if json.Unmarshal(raw, &j) != nil || j.Use != "" && j.Use != "sig" {
			continue
		}
		algs := algorithms(j.Public().Key)
		if j.Algorithm != "" {
			if !slices.Contains(algs, j.Algorithm) {
				continue
			}
			algs = []string{j.Algorithm}
		}
		if len(algs) > 0 {
			all = append(all, key{id: j.KeyID, algs: algs, key: j.Public().Key})
		}
	}
	if len(all) == 0 {
		return nil, errors.New("it has no usable key: Ed25519, P-256, P-384, P-521, or RSA of 2048 bits or more")
	}
	return all, nil
}

// algorithms returns what a public key may be used with.
func algorithms(public any) []string {
	switch k := public.(type) {
	case ed25519.PublicKey:
		return []string{"EdDSA"}
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return []string{"ES256"}
		case elliptic.P384():
			return []string{"ES384"}
		case elliptic.P521():
			return []string{"ES512"}
		}
	case *rsa.PublicKey:
		if k.N.BitLen() >= minRSABits {
			return []string{"RS256", "PS256", "RS384", "PS384", "RS512", "PS512"}
		}
	}
	return nil
}

// remote is a JWKS behind a URL, asked for again from time to time and when a token
// has a key that is not in it. While the URL is down what was there stays in force.
type remote struct {
	// Set before start, then read only.
	url     string
	refresh time.Duration
	log     *zap.Logger
	client  http.Client
	stop    context.CancelFunc
	stopped chan struct{}

	fetching sync.Mutex // held while the URL is asked; before mu

	// Guarded by mu.
	mu      sync.Mutex
	all     []key
	fetches int       // how often it was tried
	fetched time.Time // when it was last tried
}

const (
	fetchTimeout = 5 * time.Second
	maxJWKSBytes = 1 << 20
	// minPause is the least time between two fetches that tokens with unknown keys
	// bring about: anybody can make such tokens.
	minPause = 2 * time.Second
	// downPause is the time until a URL that is down is tried again.
	downPause = 10 * time.Second
)

// newRemote begins to fetch, over a transport; nil: the usual one.
func newRemote(o Options, transport http.RoundTripper) *remote {
	ctx, stop := context.WithCancel(context.Background())
	r := &remote{
		url: o.JWKS, refresh: o.Refresh, log: o.Logger, stop: stop, stopped: make(chan struct{}),
		client: http.Client{Timeout: fetchTimeout, Transport: transport},
	}
	go r.run(ctx)
	return r
}

func (r *remote) close() {
	r.stop()
	<-r.stopped
	r.client.CloseIdleConnections()
}

// run fetches from time to time, until ctx is done.
func (r *remote) run(ctx context.Context) {
	defer close(r.stopped)
	for {
		_, before, _ := r.current()
		pause := r.refresh
		if !r.fetch(ctx, before) {
			pause = min(pause, downPause)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// get returns the keys. If they are not enough they are fetched anew, unless that
// has just been tried.
func (r *remote) get(ctx context.Context, enough func([]key) bool) ([]key, error) {
	all, fetches, last := r.current()
	if !enough(all) && time.Since(last) > minPause {
		r.fetch(ctx, fetches)
		all, _, _ = r.current()
	}
	if all == nil {
		return nil, errUnavailable
	}
	return all, nil
}

func (r *remote) current() (all []key, fetches int, last time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all, r.fetches, r.fetched
}

// fetch asks the URL, unless that was done since there were so many fetches, and
// reports whether there was no error.
func (r *remote) fetch(ctx context.Context, fetches int) bool {
	r.fetching.Lock()
	defer r.fetching.Unlock()
	before, done, _ := r.current()
	if done != fetches {
		return true
	}
	all, err := r.download(ctx)
	if err == nil && !slices.EqualFunc(all, before, func(a, b key) bool { return a.id == b.id }) || err != nil && ctx.Err() == nil {
		logLoaded(r.log, r.url, all, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fetches++
	r.fetched = time.Now()
	if err == nil {
		r.all = all
	}
	return err == nil
}

func (r *remote) download(ctx context.Context) ([]key, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered with %s", answer.Status)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxJWKSBytes))
	if err != nil {
		return nil, err
	}
	return parseJWKS(text)
}
