package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/redact"
	"github.com/parley-rtc/parley/hub/event"
)

// The events that this package logs.
const (
	EventJoinFailed  = "join webhook failed"   // error, let_in
	EventAyameFailed = "ayame webhook failed"  // error
	EventFailed      = "event webhook failed"  // error, attempts, waiting: it is tried again
	EventDropped     = "event webhook dropped" // events: so many since the last such line
)

const (
	failureLogPause   = time.Second // between two such lines
	workers           = 8           // that send at the same time, each the events of its rooms
	maxAttemptTime    = 10 * time.Second
	firstPause        = 500 * time.Millisecond // before a message is sent again; it doubles
	longestPause      = 30 * time.Second
	defaultMaxWaiting = 10_000
	defaultGiveUp     = 5 * time.Minute
)

// EventOptions say how an application is told.
type EventOptions struct {
	URL        string        // http or https
	Secret     func() []byte // to sign with; required
	MaxWaiting int           // events that may wait; more are dropped; 0: 10,000
	GiveUp     time.Duration // after which an event that can't be delivered is dropped; 0: 5 minutes
	Logger     *zap.Logger   // nil: none
}

// Events tells an application what happens: the events of a room in their order.
// Events that can't be delivered are sent again, with growing pauses.
type Events struct {
	// Stats counts events.
	Stats struct {
		Delivered, Retried, Dropped atomic.Uint64
		Waiting                     atomic.Int64
	}

	// Set before start, then read only.
	options EventOptions
	poster  *poster
	seed    maphash.Seed
	queues  [workers]*queue
	done    sync.WaitGroup
	ending  chan struct{} // closed by Close: no pauses any more
	end     sync.Once
	ctx     context.Context
	cancel  context.CancelFunc

	// Guarded by mu.
	mu     sync.Mutex
	logged time.Time
	unsaid int // dropped since the last line about it
}

// queue is what one worker has to send.
type queue struct {
	mu      sync.Mutex // guards what follows
	waiting []event.Event
	closed  bool
	wake    sync.Cond
}

// NewEvents starts an Events. Close ends it. The error says which option can't be
// used.
func NewEvents(o EventOptions) (*Events, error) {
	if o.MaxWaiting <= 0 {
		o.MaxWaiting = defaultMaxWaiting
	}
	if o.GiveUp <= 0 {
		o.GiveUp = defaultGiveUp
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	p, err := newPoster(o.URL, o.Secret, maxAttemptTime)
	if err != nil {
		return nil, err
	}
	e := &Events{
		options: o, poster: p, seed: maphash.MakeSeed(),
		ending: make(chan struct{}),
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	for i := range e.queues {
		q := new(queue)
		q.wake.L = &q.mu
		e.queues[i] = q
		e.done.Go(func() { e.work(q) })
	}
	return e, nil
}

// Notify queues an event. It never waits: it is what [hub.Options.Notify] asks for.
func (e *Events) Notify(one event.Event) {
	if e.Stats.Waiting.Add(1) > int64(e.options.MaxWaiting) {
		e.Stats.Waiting.Add(-1)
		e.dropped()
		return
	}
	q := e.queues[maphash.String(e.seed, one.Room)%workers]
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, one)
	q.wake.Signal()
}

// Close tries once more to deliver what waits, until ctx is done, and drops the
// rest. It can be called more than once.
func (e *Events) Close(ctx context.Context) {
	for _, q := range e.queues {
		q.mu.Lock()
		q.closed = true
		q.wake.Signal()
		q.mu.Unlock()
	}
	e.end.Do(func() { close(e.ending) })
	stop := context.AfterFunc(ctx, e.cancel)
	defer stop()
	e.done.Wait()
	e.cancel()
	e.poster.client.CloseIdleConnections()
}

func (q *queue) next() (one event.Event, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 && !q.closed {
		q.wake.Wait()
	}
	if len(q.waiting) == 0 {
		return one, false
	}
	one = q.waiting[0]
	q.waiting[0] = event.Event{}
	if q.waiting = q.waiting[1:]; len(q.waiting) == 0 {
		q.waiting = nil
	}
	return one, true
}

func (e *Events) work(q *queue) {
	for {
		one, ok := q.next()
		if !ok {
			return
		}
		if e.deliver(one) {
			e.Stats.Delivered.Add(1)
		} else {
			e.dropped()
		}
		e.Stats.Waiting.Add(-1)
	}
}

// deliver sends an event until it has arrived, and reports false if it gave up.
func (e *Events) deliver(one event.Event) bool {
	body, err := json.Marshal(messageOf(one))
	if err != nil {
		return false // can't be
	}
	id := newID()
	pause := firstPause
	for attempts, begun := 1, time.Now(); ; attempts++ {
		err := e.attempt(id, body)
		if err == nil {
			return true
		}
		e.logFailure(err, attempts)
		if time.Since(begun) > e.options.GiveUp || e.ctx.Err() != nil {
			return false
		}
		select {
		case <-time.After(pause/2 + rand.N(pause/2+1)):
		case <-e.ending:
			return e.attempt(id, body) == nil
		}
		e.Stats.Retried.Add(1)
		pause = min(2*pause, longestPause)
	}
}

func (e *Events) attempt(id string, body []byte) error {
	status, _, err := e.poster.post(e.ctx, id, body)
	if err != nil {
		return err
	}
	if status < http.StatusOK || status >= http.StatusMultipleChoices {
		return fmt.Errorf("answered with status %d", status)
	}
	return nil
}

// logFailure says once in a while that something could not be delivered.
func (e *Events) logFailure(err error, attempts int) {
	if e.pauseOver() {
		e.options.Logger.Warn(EventFailed, zap.String("error", redact.Error(err)),
			zap.Int("attempts", attempts), zap.Int64("waiting", e.Stats.Waiting.Load()))
	}
}

func (e *Events) dropped() {
	e.Stats.Dropped.Add(1)
	e.mu.Lock()
	e.unsaid++
	n := e.unsaid
	e.mu.Unlock()
	if e.pauseOver() {
		e.options.Logger.Warn(EventDropped, zap.Int("events", n))
		e.mu.Lock()
		e.unsaid -= n
		e.mu.Unlock()
	}
}

func (e *Events) pauseOver() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	if now.Sub(e.logged) < failureLogPause {
		return false
	}
	e.logged = now
	return true
}

// message is the body that tells of an event.
type message struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      data      `json:"data"`
}

type data struct {
	Room     string  `json:"room"`
	ID       string  `json:"id,omitempty"`
	Name     string  `json:"name,omitempty"`
	Members  *int    `json:"members,omitempty"`
	Reason   string  `json:"reason,omitempty"`
	By       string  `json:"by,omitempty"`
	Duration float64 `json:"duration,omitempty"` // seconds

	Call     string  `json:"call,omitempty"` // id of the call, of an event about one
	From     string  `json:"from,omitempty"` // id of the member that sent the first offer
	To       string  `json:"to,omitempty"`
	Answered float64 `json:"answered,omitempty"` // seconds from the first offer
	Outcome  string  `json:"outcome,omitempty"`  // this and what follows: of a call that is over
	Cause    string  `json:"cause,omitempty"`
	Setup    float64 `json:"setup,omitempty"` // seconds
	Path     string  `json:"path,omitempty"`
	Protocol string  `json:"protocol,omitempty"`
}

// types are the names of events for applications.
var types = map[event.Kind]string{
	event.OpenedRoom:   "room.opened",
	event.ClosedRoom:   "room.closed",
	event.MemberJoined: "member.joined",
	event.MemberLeft:   "member.left",
	event.MemberKicked: "member.kicked",
	event.CallStarted:  "call.started",
	event.CallAnswered: "call.answered",
	event.CallEnded:    "call.ended",
}

func messageOf(e event.Event) message {
	m := message{Type: types[e.Kind], Timestamp: e.Time.UTC(), Data: data{
		Room: e.Room, ID: e.ID, Name: e.Name, Reason: e.Reason, By: e.By, Duration: e.Duration.Seconds(),
	}}
	if e.Kind == event.MemberJoined || e.Kind == event.MemberLeft {
		m.Data.Members = &e.Members
	}
	if e.Call != nil {
		m.Data.call(e.Call)
	}
	return m
}

// call puts in what is known of a call.
func (d *data) call(c *event.Call) {
	d.Call, d.From, d.To = c.ID, c.From, c.To
	if !c.Answered.IsZero() {
		d.Answered = c.Answered.Sub(c.Started).Seconds()
	}
	if c.Ended.IsZero() {
		return
	}
	d.Outcome, d.Reason, d.By, d.Cause, d.Duration = c.Outcome.String(), c.Reason, c.By, c.Cause, c.Ended.Sub(c.Started).Seconds()
	d.Setup, d.Path, d.Protocol = c.Setup.Seconds(), c.Path.String(), c.Protocol.String()
}
