package event

import (
	"time"

	"github.com/parley-rtc/parley/hub/wire"
)

// Call is a call between two members of a room, as far as the server knows it. Fields
// that are not known yet, or that nobody has reported, are zero.
type Call struct {
	ID       string // made by the server, opaque
	Room     string
	From, To string // ids; From sent the first offer
	Started  time.Time
	Answered time.Time
	Ended    time.Time
	Offers   int           // with those that renegotiate
	Outcome  wire.Outcome  // of an ended call
	Reason   string        // how it ended: one of the reasons of this package
	By       string        // id of the member that ended it: by hanging up, or because its membership ended
	Cause    string        // why it failed or ended, in one word from a client
	Setup    time.Duration // from the first offer until it was connected, as first reported
	Path     wire.Path     // as reported by the first side that was connected
	Protocol wire.Protocol // likewise
	Quality  Quality       // of an ended call
	Sides    [2]CallSide   // what From and To have reported
	Story    []CallStep    // in order; nil in lists
	Omitted  int           // steps in the middle of a long story that were dropped
}

// CallSide is what one member has reported of a call.
type CallSide struct {
	Connected bool         // it has reported so once
	Outcome   wire.Outcome // the last that it has reported
	Last      *wire.Report // the last report; it must not be changed
}

// Quality is how well a call went, over the reports of the side that had it worse.
type Quality struct {
	Reports              int           // with a round-trip time or a loss, of both sides
	RTT, WorstRTT        time.Duration // median and worst round-trip time
	Jitter               time.Duration // median
	Loss, WorstLoss      float64       // median and worst share of packets lost
	Freezes              int           // of the video
	HasRTT, HasLoss      bool          // whether they were reported
	HasJitter, HasFreeze bool          // likewise
}

// CallStep is one step in the story of a call.
type CallStep struct {
	Time   time.Time
	What   string       // one of the steps of this package
	By     string       // id of the member; empty: nobody in particular
	Reason string       // of StepLost and StepEnd
	Report *wire.Report // of StepReport; it must not be changed
}

// The steps of a call, in [CallStep].
const (
	StepJoined  = "joined" // the member joined the room, before the call
	StepOffer   = "offer"
	StepAnswer  = "answer"
	StepReport  = "report"
	StepLost    = "lost"    // the member's connection was lost, the membership stays
	StepResumed = "resumed" // the member has resumed
	StepEnd     = "end"
)
