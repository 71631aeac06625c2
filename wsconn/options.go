package wsconn

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/wsconn/clientip"
	"github.com/parley-rtc/parley/wsconn/limit"
)

// Options are the limits and callbacks of a handler. A field that is zero has its
// default, so the zero value is a good start. A negative value turns a limit or a clock
// off, where that is possible.
type Options struct {
	// AllowOrigins are patterns of the pages that may connect, beside those of the
	// same host and port, see [CheckOrigin].
	AllowOrigins []string

	// MaxMessageBytes is the length of the longest message. A longer one closes the
	// connection with 1009. The default is 64 KiB.
	MaxMessageBytes int

	// MaxConnections is the number of connections at one time. Further upgrades are
	// refused with 503. 0: no limit.
	MaxConnections int

	// QueueBytes is the memory of the frames that may wait for one connection. When it
	// overflows, the connection is closed with 4003; a sender whose share, a quarter,
	// is used up gets congested before. It must be 4 KiB more than MaxMessageBytes. The
	// default is 1 MiB, or four times MaxMessageBytes if that is more.
	QueueBytes int

	// Rate is the number of messages a second that one connection may send, Burst the
	// number at once. A message over this or the next two limits is refused with
	// rate_limited. Refusals come no faster than the limit: past it the client is not
	// read. 10 s of refusals without a pause of a second close the connection with
	// 4005. The defaults are 200, and five times the Rate; a negative Rate turns the
	// limit off.
	Rate, Burst int

	// RateBytes is the number of bytes of messages a second that one connection may
	// send, BurstBytes the number at once, at least MaxMessageBytes. The defaults are
	// 1 MiB, and four times RateBytes; a negative RateBytes turns the limit off.
	RateBytes, BurstBytes int

	// RateChanges is the number of joins, leaves, renames and updates together, refused
	// ones included, that one connection may send a second, BurstChanges the number at
	// once. The defaults are 5, and ten times RateChanges; a negative RateChanges
	// turns the limit off.
	RateChanges, BurstChanges int

	// PerAddress has limits for each client address. The default is none.
	PerAddress limit.Options

	// Proxies are the proxies that are believed when they name the client's address. The
	// default is none.
	Proxies clientip.Proxies

	// PingInterval is the time between WebSocket pings. The default is 25 s; a
	// negative value sends none.
	PingInterval time.Duration

	// PingTimeout is how long a client may show no sign of life after a ping has reached
	// it. Then the connection ends without a close frame. It may be longer than
	// PingInterval: one ping is under way at a time. The default is 10 s.
	PingTimeout time.Duration

	// JoinTimeout is how long a client may be in no room, before it is closed with 4007.
	// The default is 30 s; a negative value sets no limit.
	JoinTimeout time.Duration

	// Gate decides who may join. Nil: anybody may, under any free id.
	Gate Gate

	// ICEServers returns the JSON array of RTCIceServer objects for the member with this
	// id. Credentials in it must not be valid after until, the end of the member's
	// grant; zero: it has none. It is called at joins and for ice messages, and must not
	// block. Nil: there are no ICE servers.
	ICEServers func(id string, until time.Time) json.RawMessage

	// Logger gets the events of connections, see package event. Nil: nothing is logged.
	// Its core must not block: writers and read loops call it.
	Logger *zap.Logger
}

// The defaults of Options, which are the daemon's.
const (
	defaultMessageBytes = 64 << 10
	defaultQueueBytes   = 1 << 20
	defaultRate         = 200
	defaultRateBytes    = 1 << 20
	defaultRateChanges  = 5
	defaultPingInterval = 25 * time.Second
	defaultPingTimeout  = 10 * time.Second
	defaultJoinTimeout  = 30 * time.Second
)

// By default a burst is so many seconds of its rate.
const (
	burstSeconds        = 5
	burstBytesSeconds   = 4
	burstChangesSeconds = 10
)

// minQueueOver is what a queue must hold beside the longest message: answers and
// control frames.
const minQueueOver = 4 << 10

// DefaultOptions returns the options with every default filled in.
func DefaultOptions() Options {
	o, _ := Options{}.withDefaults() // has nothing to refuse
	return o
}

// withDefaults returns o with defaults in place of zeros, or an error that names the
// invalid field.
func (o Options) withDefaults() (Options, error) {
	for _, n := range []struct {
		name  string
		value int
	}{
		{"MaxMessageBytes", o.MaxMessageBytes},
		{"MaxConnections", o.MaxConnections},
		{"QueueBytes", o.QueueBytes},
		{"Burst", o.Burst},
		{"BurstBytes", o.BurstBytes},
		{"BurstChanges", o.BurstChanges},
		{"PingTimeout", int(o.PingTimeout)},
	} {
		if n.value < 0 {
			return o, fmt.Errorf("wsconn: Options.%s is negative", n.name)
		}
	}
	for _, pattern := range o.AllowOrigins {
		if err := CheckOrigin(pattern); err != nil {
			return o, fmt.Errorf("wsconn: Options.AllowOrigins: %w", err)
		}
	}
	o.MaxMessageBytes = cmp.Or(o.MaxMessageBytes, defaultMessageBytes)
	o.QueueBytes = cmp.Or(o.QueueBytes, max(defaultQueueBytes, times(o.MaxMessageBytes, 4)))
	if least := o.MaxMessageBytes + minQueueOver; o.QueueBytes < least {
		return o, fmt.Errorf("wsconn: Options.QueueBytes is %d: messages of %d bytes need %d", o.QueueBytes, o.MaxMessageBytes, least)
	}
	o.Rate = cmp.Or(o.Rate, defaultRate)
	o.Burst = cmp.Or(o.Burst, times(o.Rate, burstSeconds))
	o.RateBytes = cmp.Or(o.RateBytes, defaultRateBytes)
	o.BurstBytes = max(cmp.Or(o.BurstBytes, times(o.RateBytes, burstBytesSeconds)), o.MaxMessageBytes)
	o.RateChanges = cmp.Or(o.RateChanges, defaultRateChanges)
	o.BurstChanges = cmp.Or(o.BurstChanges, times(o.RateChanges, burstChangesSeconds))

	o.PingInterval = cmp.Or(o.PingInterval, defaultPingInterval)
	o.PingTimeout = cmp.Or(o.PingTimeout, defaultPingTimeout)
	o.JoinTimeout = cmp.Or(o.JoinTimeout, defaultJoinTimeout)
	if o.Gate == nil {
		o.Gate = openGate{}
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	return o, nil
}

// times multiplies without overflow; a negative n counts as 0.
func times(n, by int) int {
	if n > math.MaxInt/by {
		return math.MaxInt
	}
	return max(n, 0) * by
}
