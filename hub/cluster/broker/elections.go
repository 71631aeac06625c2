package broker

import (
	"time"
	_ "unsafe" // for go:linkname
)

// The servers elect a leader for the register anew when theirs is gone. By default
// they wait 4 to 9 s for a sign of life first, which is too long for nodes whose leases
// are shorter; the servers here are few, near each other, and hear from each other
// twice a second. The library has no setting for it.

//go:linkname minElectionTimeout github.com/nats-io/nats-server/v2/server.minElectionTimeout
var minElectionTimeout time.Duration

//go:linkname maxElectionTimeout github.com/nats-io/nats-server/v2/server.maxElectionTimeout
var maxElectionTimeout time.Duration

//go:linkname hbInterval github.com/nats-io/nats-server/v2/server.hbInterval
var hbInterval time.Duration

func init() {
	minElectionTimeout, maxElectionTimeout, hbInterval = 700*time.Millisecond, 1400*time.Millisecond, 200*time.Millisecond
}
