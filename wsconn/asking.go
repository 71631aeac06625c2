package wsconn

import (
	"context"
	"encoding/json"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/event"
)

// This file asks the callbacks of the embedding program on a connection's behalf.

// decide lets the gate decide on the client's message.
func (c *conn) decide(ask func(context.Context) (*Admission, error)) (a *Admission, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), gateTimeout)
	defer cancel()
	c.whileDeciding(cancel)
	defer c.whileDeciding(nil)
	if panicked := c.guard("Gate", func() { a, err = ask(ctx) }); panicked != nil {
		return nil, panicked
	}
	switch {
	case err != nil:
		return nil, err
	case a == nil:
		return nil, errGateSilent
	}
	return a, a.check()
}

// iceServers returns the ICE servers for a member, with credentials that do not
// outlast its grant.
func (c *conn) iceServers(id string, g *hub.Grant) (servers json.RawMessage, err error) {
	f := c.h.options.Load().ICEServers
	if f == nil {
		return nil, nil
	}
	var until time.Time
	if g != nil {
		until = g.Expires
	}
	err = c.guard("ICEServers", func() { servers = f(id, until) })
	if err == nil && len(servers) > 0 && !json.Valid(servers) {
		c.h.log.Warn(event.GateFailed, zap.Uint64(event.FieldConn, c.number), zap.String("error", "ICEServers has not returned JSON"))
		return nil, nil
	}
	return servers, err
}
