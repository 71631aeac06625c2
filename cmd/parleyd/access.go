package main

import (
	"cmp"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/auth"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/config"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/gate"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/webhook"
	"github.com/parley-rtc/parley/hub/event"
)

// access has the parts that decide on joins, and those that tell an application.
type access struct {
	tokens *auth.Verifier  // nil: tokens are not checked
	asked  *webhook.Join   // nil: no application is asked
	told   *webhook.Events // nil: none is told
	gate   *gate.Gate
}

// newAccess makes what settings ask for, with the parts of old that stay the same; nil:
// there is none.
func (d *daemon) newAccess(c *config.Config, old *live) (a access, err error) {
	had := func(names ...string) bool { return old != nil && c.Same(old.config, names...) }
	defer func() {
		if err != nil {
			d.retire(&live{access: a}, cmp.Or(old, &live{config: c}))
		}
	}()
	switch {
	case had("auth-secret-file", "auth-jwks", "auth-jwks-refresh", "auth-issuer", "auth-audience"):
		a.tokens = old.access.tokens
	case c.Auth.On():
		a.tokens, err = auth.New(auth.Options{
			SecretFile: c.Auth.SecretFile, JWKS: c.Auth.JWKS, Refresh: c.Auth.Refresh,
			Issuer: c.Auth.Issuer, Audience: c.Auth.Audience, Logger: d.logs.Logger,
		})
		if err != nil {
			return a, err
		}
	}
	if err := d.newWebhooks(c, &a, old, had); err != nil {
		return a, err
	}
	o := gate.Options{Tokens: a.tokens, Optional: c.Auth.Optional, Rules: c.Rooms}
	if a.asked != nil {
		o.Ask = a.asked
	}
	if old != nil {
		a.gate = old.access.gate.With(o)
	} else {
		a.gate = gate.New(o)
	}
	return a, nil
}

// newWebhooks makes those of the application, or takes over the old ones that had the
// same settings.
func (d *daemon) newWebhooks(c *config.Config, a *access, old *live, had func(names ...string) bool) error {
	secret, err := newSecret("webhook-secret-file", c.Webhooks.SecretFile, webhook.ParseSecret, d.logs.Logger)
	if err != nil {
		return err
	}
	if had("join-webhook", "join-webhook-timeout", "join-webhook-cache", "join-webhook-fail-open", "webhook-secret-file") {
		a.asked = old.access.asked
	} else if c.Webhooks.Join != "" {
		a.asked, err = webhook.NewJoin(webhook.JoinOptions{
			URL: c.Webhooks.Join, Secret: secret, Timeout: c.Webhooks.Timeout, Cache: c.Webhooks.Cache,
			FailOpen: c.Webhooks.FailOpen, Logger: d.logs.Logger,
		})
		if err != nil {
			return err
		}
	}
	if had("event-webhook", "webhook-secret-file") {
		a.told = old.access.told
	} else if c.Webhooks.Event != "" {
		a.told, err = webhook.NewEvents(webhook.EventOptions{URL: c.Webhooks.Event, Secret: secret, Logger: d.logs.Logger})
	}
	return err
}

// notify returns the function that gets the hub's events; nil: there is none until a restart.
func (d *daemon) notify(c *config.Config) func(event.Event) {
	if c.Webhooks.Event == "" {
		return nil
	}
	return func(e event.Event) {
		if told := d.live.Load().access.told; told != nil {
			told.Notify(e)
		}
	}
}
