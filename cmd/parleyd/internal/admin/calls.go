package admin

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

// Call is a call in a list: live, or of the last hour. Values that nobody has reported are absent.
// Durations are in seconds.
type Call struct {
	ID       string     `json:"id"`
	Room     string     `json:"room"`
	From     string     `json:"from"` // id of the member that sent the first offer
	To       string     `json:"to"`
	State    string     `json:"state"` // ringing, answered, connected or failing; of one that is over: its outcome, or ending for a moment
	Live     bool       `json:"live"`
	Started  time.Time  `json:"started"`
	Answered *time.Time `json:"answered,omitempty"`
	Ended    *time.Time `json:"ended,omitempty"`
	Reason   string     `json:"reason,omitempty"` // how it ended
	By       string     `json:"by,omitempty"`     // id of the member that ended it
	Cause    string     `json:"cause,omitempty"`  // a client's word on why it failed or ended
	Offers   int        `json:"offers"`
	Setup    *float64   `json:"setup,omitempty"` // until it was connected
	Path     string     `json:"path,omitempty"`
	Protocol string     `json:"protocol,omitempty"`

	// Medians and the worst of a call that is over; of a live one the last figures. Of the
	// side that has it worse.
	RTT       *float64 `json:"rtt,omitempty"`
	RTTWorst  *float64 `json:"rtt_worst,omitempty"`
	Jitter    *float64 `json:"jitter,omitempty"`
	Loss      *float64 `json:"loss,omitempty"` // share of packets, 0 to 1
	LossWorst *float64 `json:"loss_worst,omitempty"`
	Freezes   *int     `json:"freezes,omitempty"`
}

// CallDetail is a call with what its members have reported, and its story.
type CallDetail struct {
	Call
	Sides   []CallSide `json:"sides"` // of from and to
	Story   []CallStep `json:"story"`
	Omitted int        `json:"omitted,omitempty"` // steps in the middle of a long story
}

// CallSide is what one member has reported.
type CallSide struct {
	ID        string       `json:"id"`
	Connected bool         `json:"connected"`
	Outcome   wire.Outcome `json:"outcome,omitempty"`
	Last      *wire.Report `json:"last,omitempty"` // the last report
}

// CallStep is one step of a call.
type CallStep struct {
	Time   time.Time    `json:"time"`
	What   string       `json:"what"`         // joined, offer, answer, report, lost, resumed or end
	By     string       `json:"by,omitempty"` // id of the member
	Reason string       `json:"reason,omitempty"`
	Report *wire.Report `json:"report,omitempty"`
}

func callOf(c *event.Call) Call {
	out := Call{
		ID: c.ID, Room: c.Room, From: c.From, To: c.To, State: stateOf(c), Live: c.Ended.IsZero(), Started: c.Started.UTC(),
		Answered: moment(c.Answered), Ended: moment(c.Ended), Reason: c.Reason, By: c.By, Cause: c.Cause, Offers: c.Offers,
		Path: c.Path.String(), Protocol: c.Protocol.String(),
	}
	if c.Setup > 0 {
		out.Setup = seconds(c.Setup)
	}
	q := &c.Quality
	if c.Outcome == wire.NoOutcome {
		out.RTT, out.Loss = latest(c, wire.RTTMS, 1e-3), latest(c, wire.Loss, 1)
		return out
	}
	if q.HasRTT {
		out.RTT, out.RTTWorst = seconds(q.RTT), seconds(q.WorstRTT)
	}
	if q.HasJitter {
		out.Jitter = seconds(q.Jitter)
	}
	if q.HasLoss {
		out.Loss, out.LossWorst = &q.Loss, &q.WorstLoss
	}
	if q.HasFreeze {
		out.Freezes = &q.Freezes
	}
	return out
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func seconds(d time.Duration) *float64 {
	s := d.Seconds()
	return &s
}

// latest returns the worse of what both sides have reported last, times unit; nil: nobody
// has.
func latest(c *event.Call, f wire.Figure, unit float64) (worst *float64) {
	for _, side := range c.Sides {
		if side.Last == nil {
			continue
		}
		if v, ok := side.Last.Figure(f); ok && (worst == nil || v*unit > *worst) {
			v *= unit
			worst = &v
		}
	}
	return worst
}

// stateOf says how a call stands.
func stateOf(c *event.Call) string {
	a, b := &c.Sides[0], &c.Sides[1]
	switch {
	case c.Outcome != wire.NoOutcome:
		return c.Outcome.String()
	case !c.Ended.IsZero():
		return "ending"
	case a.Outcome == wire.OutcomeFailed || b.Outcome == wire.OutcomeFailed:
		return "failing"
	case a.Connected || b.Connected:
		return "connected"
	case c.Answered.IsZero():
		return "ringing"
	}
	return "answered"
}

// calls lists calls, those that started last first.
func (a *API) calls(w http.ResponseWriter, r *http.Request) {
	all, err := a.options.Hub.Calls(r.Context())
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	room, member := string(wire.Normal([]byte(r.FormValue("room")))), string(wire.Normal([]byte(r.FormValue("member"))))
	contains := r.FormValue("contains")
	list := []Call{}
	for i := range all {
		c := callOf(&all[i])
		switch {
		case room != "" && c.Room != room:
		case !strings.Contains(c.Room, contains) && !strings.Contains(c.From, contains) && !strings.Contains(c.To, contains):
		case member != "" && c.From != member && c.To != member:
		case r.FormValue("live") != "" && r.FormValue("live") != strconv.FormatBool(c.Live):
		case r.FormValue("state") != "" && r.FormValue("state") != c.State:
		default:
			list = append(list, c)
		}
	}
	page(w, r, list, map[string]order[Call]{
		"": func(a, b Call) int { return cmp.Or(b.Started.Compare(a.Started), cmp.Compare(a.ID, b.ID)) },
	})
}

// call tells the story of one call.
func (a *API) call(w http.ResponseWriter, r *http.Request) {
	c, err := a.options.Hub.Call(r.Context(), r.FormValue("id"))
	switch {
	case err != nil:
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	case c == nil:
		fail(w, http.StatusNotFound, "there is no such call, or it is over for more than an hour")
		return
	}
	d := CallDetail{Call: callOf(c), Story: []CallStep{}, Omitted: c.Omitted}
	for i, id := range []string{c.From, c.To} {
		s := &c.Sides[i]
		d.Sides = append(d.Sides, CallSide{ID: id, Connected: s.Connected, Outcome: s.Outcome, Last: s.Last})
	}
	for _, s := range c.Story {
		d.Story = append(d.Story, CallStep{Time: s.Time.UTC(), What: s.What, By: s.By, Reason: s.Reason, Report: s.Report})
	}
	reply(w, http.StatusOK, d)
}
