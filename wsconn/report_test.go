package wsconn

import (
	"strings"
	"testing"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// A report is taken without an answer and not forwarded; one that cannot be is refused.
func TestReport(t *testing.T) {
	s := newServer(t, func(_ *Options, o *hub.Options) { o.TrackCalls = true })
	ann, bob := s.dial(), s.dial()
	ann.send(`{"type":"report","to":"bob","data":{}}`)
	ann.wantError(wire.CodeNotJoined)
	ann.join("r", "ann")
	bob.join("r", "bob")
	ann.sees("bob")
	for data, want := range map[string]wire.Code{
		`[]`: wire.CodeBadMessage, `{"loss":2}`: wire.CodeBadMessage, `{"reason":"` + strings.Repeat("x", 65) + `"}`: wire.CodeBadMessage,
		`{"x":"` + strings.Repeat("x", 5000) + `"}`: wire.CodeBadMessage,
	} {
		ann.send(`{"type":"report","to":"bob","data":%s}`, data)
		ann.wantError(want)
	}
	for _, to := range []string{"nobody", strings.Repeat("x", 65)} {
		ann.send(`{"type":"report","to":%q,"data":{}}`, to)
		ann.wantError(wire.CodeTargetNotFound)
	}
	ann.send(`{"type":"report","to":"bob","data":{"outcome":"connected"}}`)
	ann.send(`{"type":"ping","ref":"1"}`)
	ann.want(`{"type":"pong","ref":"1"}`)
	ann.send(`{"type":"message","to":"bob","data":1}`)
	bob.want(`{"type":"message","to":"bob","data":1,"room":"r","from":"ann"}`)
}
