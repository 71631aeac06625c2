package broker

import (
	"crypto/subtle"
	"crypto/tls"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/zap"
)

// secureTime is the time between two looks at what secures the servers' connections.
const secureTime = time.Second

// security is what an embedded server secures its connections to others with.
type security struct {
	secret string      // that it proves itself with; empty: none
	tls    *tls.Config // nil: none
}

// security returns what there is now.
func (e *Embedded) security() (now security) {
	if e.Secrets != nil {
		if all := e.Secrets(); len(all) > 0 {
			now.secret = all[0]
		}
	}
	if e.TLS != nil {
		now.tls = e.TLS()
	}
	return now
}

// accepted lets servers in that know one of the secrets. The server tells it from another
// by its address.
type accepted struct{ secrets func() []string }

// Check implements [server.Authentication].
func (a *accepted) Check(c server.ClientAuthentication) bool {
	known := 0
	for _, secret := range a.secrets() {
		known |= subtle.ConstantTimeCompare([]byte(secret), []byte(c.GetOpts().Password))
	}
	return known == 1 && c.GetOpts().Username == secretUser
}

// secure puts into force what secures the server whenever that has changed. Connections
// that were made with a former first secret are made anew with the present one; others
// stay until they end.
func (b *Broker) secure(token string, former security) {
	e := b.options.Embedded
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-time.After(secureTime):
		}
		now := e.security()
		if now == former {
			continue
		}
		former = now
		o, err := e.options(b.options.Cluster, b.options.Node, token, now)
		if err == nil {
			err = b.server.ReloadOptions(o)
		}
		if err != nil {
			b.options.Logger.Error(EventError, zap.Error(err))
		}
	}
}
