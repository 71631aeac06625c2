package wsconn

import (
	"runtime/debug"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

var errPanic = &violation{wire.CloseInternalError, "the server has failed on this message"}

// guard calls a callback of the embedding program. If that panics, the error ends
// this connection and no other.
func (c *conn) guard(what string, f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			c.h.log.Error(event.Panic,
				zap.Uint64(event.FieldConn, c.number), zap.String(event.FieldReason, what),
				zap.Any("panic", r), zap.ByteString("stack", debug.Stack()))
			err = errPanic
		}
	}()
	f()
	return nil
}
