package rtc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coder/websocket/wsjson"
	"github.com/pion/webrtc/v4"
)

// Kind is what is to become of a pair's call.
type Kind string

// The kinds of calls; plan.WebRTCKinds has all of them.
const (
	Connected   Kind = "connected"
	Resumed     Kind = "resumed"      // connected; then the caller's connection to the server breaks and is resumed
	Declined    Kind = "declined"     // the callee hangs up in place of an answer
	Unanswered  Kind = "unanswered"   // the callee does nothing, and the caller gives up
	NoCandidate Kind = "no-candidate" // there is no way between the two
	NoRelay     Kind = "no-relay"     // there is none but the relay, and that refuses both
)

// ringTime is how long a caller waits for an answer that is not to come.
const ringTime = time.Second

// Why a call did not come up.
var (
	errDeclined    = errors.New("the callee has hung up")
	errUnanswered  = errors.New("no answer")
	errNoCandidate = errors.New("no candidate")
)

// outcomeOf returns what came of a call in one word, that of reports.
func outcomeOf(err error) string {
	switch {
	case err == nil:
		return connectedOutcome
	case errors.Is(err, errDeclined):
		return "declined"
	case errors.Is(err, errUnanswered):
		return "unanswered"
	}
	return "failed"
}

const connectedOutcome = "connected"

// wanted returns the error with which a call of this kind is to end.
func (k Kind) wanted() error {
	return map[Kind]error{Declined: errDeclined, Unanswered: errUnanswered, NoCandidate: errNoCandidate, NoRelay: errNoCandidate}[k]
}

// became returns nil if a call of this kind has ended as it was to, or else why not.
func (k Kind) became(err error) error {
	switch want := k.wanted(); {
	case want == nil:
		return err
	case errors.Is(err, want):
		return nil
	case err == nil:
		return fmt.Errorf("the call was connected, and should have been %s", k)
	}
	return err
}

// api returns what makes peer connections for this kind.
func (k Kind) api() *webrtc.API {
	if k != NoCandidate {
		return api
	}
	var s webrtc.SettingEngine
	s.SetInterfaceFilter(func(string) bool { return false })
	return webrtc.NewAPI(webrtc.WithSettingEngine(s))
}

// configure changes a configuration to what this kind needs.
func (k Kind) configure(c *webrtc.Configuration) {
	switch k {
	case NoCandidate:
		c.ICEServers = nil
	case NoRelay:
		c.ICETransportPolicy = webrtc.ICETransportPolicyRelay
		for i := range c.ICEServers {
			if s := &c.ICEServers[i]; s.Username != "" {
				s.Credential = "wrong"
			}
		}
	}
}

// report tells the server how a call goes. One that does not take reports says so, which
// read ignores.
func (p *peer) report(ctx context.Context, to string, data map[string]any) {
	_ = wsjson.Write(ctx, p.socket, map[string]any{"type": "report", "to": to, "data": data})
}

// reportOutcome tells the server what came of a call, with its times.
func (p *peer) reportOutcome(ctx context.Context, m *marks, to string, err error) {
	data := map[string]any{"outcome": outcomeOf(err)}
	if errors.Is(err, errNoCandidate) {
		data["reason"] = "no_candidate"
	}
	if err == nil {
		stages := m.stages()
		for name, stage := range map[string]string{"setup_ms": "setup", "ice_ms": "ice", "dtls_ms": "dtls"} {
			if d, ok := stages[stage]; ok {
				data[name] = float64(d.Microseconds()) / 1000
			}
		}
		data["path"], data["protocol"] = p.path()
	}
	p.report(ctx, to, data)
}

// path returns the type of the local candidate in use, and its protocol.
func (p *peer) path() (path, protocol string) {
	pair, err := p.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
	if err != nil || pair == nil {
		return "host", "udp"
	}
	return pair.Local.Typ.String(), pair.Local.Protocol.String()
}

// hangUp ends a call, and says for how long it has been up.
func (p *peer) hangUp(ctx context.Context, m *marks, to string) {
	_ = p.send(ctx, message{Type: "hangup", To: to})
	data := map[string]any{"outcome": "ended"}
	if up := m.since(opened); up > 0 {
		data["duration_ms"] = float64(up.Microseconds()) / 1000
	}
	p.report(ctx, to, data)
}

// resume breaks the connection to the server, and goes on with the membership on another.
func (p *peer) resume(ctx context.Context, o *Options) error {
	if p.session == "" {
		return errors.New("resume: the server gave no session")
	}
	_ = p.socket.CloseNow()
	<-p.idle // nobody reads the old one any more
	socket, err := dial(ctx, o, p.room)
	if err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	p.socket = socket
	if err := wsjson.Write(ctx, socket, map[string]any{"type": "resume", "session": p.session, "received": p.received}); err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	for {
		m, err := p.read(ctx)
		if err != nil {
			return fmt.Errorf("resume: %w", err)
		}
		if m.Type == "resumed" {
			return nil
		}
	}
}
