package main

import (
	"github.com/parley-rtc/parley/cmd/parleyd/internal/auth"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/gate"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/webhook"
	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/wsconn"
)

// access is who may join, and who is told of it.
type access struct {
	tokens *auth.Verifier  // nil: tokens are not looked at
	asked  *webhook.Join   // nil: no application is asked
	told   *webhook.Events // nil: none is told
	gate   wsconn.Gate
}

func (d *daemon) newAccess() (a access, err error) {
	c := d.config
	if c.Auth.On() {
		a.tokens, err = auth.New(auth.Options{
			SecretFile: c.Auth.SecretFile, JWKS: c.Auth.JWKS, Refresh: c.Auth.Refresh,
			Issuer: c.Auth.Issuer, Audience: c.Auth.Audience, Logger: d.logs.Logger,
		})
		if err != nil {
			return a, err
		}
	}
	o := gate.Options{Tokens: a.tokens, Optional: c.Auth.Optional, Rules: c.Rooms}
	secret, err := newSecret("webhook-secret-file", c.Webhooks.SecretFile, webhook.ParseSecret, d.logs.Logger)
	if err != nil {
		return a, err
	}
	if c.Webhooks.Join != "" {
		a.asked, err = webhook.NewJoin(webhook.JoinOptions{
			URL: c.Webhooks.Join, Secret: secret, Timeout: c.Webhooks.Timeout, Cache: c.Webhooks.Cache,
			FailOpen: c.Webhooks.FailOpen, Logger: d.logs.Logger,
		})
		if err != nil {
			return a, err
		}
		o.Ask = a.asked
	}
	if c.Webhooks.Event != "" {
		a.told, err = webhook.NewEvents(webhook.EventOptions{URL: c.Webhooks.Event, Secret: secret, Logger: d.logs.Logger})
		if err != nil {
			return a, err
		}
	}
	a.gate = gate.New(o)
	return a, nil
}

// notify returns what the hub tells its events to; nil: nobody.
func (a *access) notify() func(event.Event) {
	if a.told == nil {
		return nil
	}
	return a.told.Notify
}
