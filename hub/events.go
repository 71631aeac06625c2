package hub

import (
	"context"
	"runtime/debug"
	"sync"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/stats"
)

// eventQueue is how many events may wait for [Options.Notify].
const eventQueue = 4096

// events hands events to the embedding program on a goroutine of their own, so that
// a program that blocks or panics holds up or ends nothing but its own events.
type events struct {
	notify func(event.Event)
	log    *zap.Logger
	stats  *stats.Hub
	queue  chan event.Event
	drop   chan struct{} // closed: what waits is dropped
	done   chan struct{} // closed when all is handed over, or dropped
	ending sync.Once
	giveUp sync.Once
}

// newEvents returns nil, on which all methods work, if nobody wants the events.
func newEvents(o Options, s *stats.Hub) *events {
	if o.Notify == nil {
		return nil
	}
	e := &events{
		notify: o.Notify, log: o.Logger, stats: s,
		queue: make(chan event.Event, eventQueue), drop: make(chan struct{}), done: make(chan struct{}),
	}
	go e.run()
	return e
}

// add is called by the hub loop.
func (e *events) add(one event.Event) {
	select {
	case e.queue <- one:
	default:
		e.stats.EventsDropped.Add(1)
	}
}

func (e *events) run() {
	defer close(e.done)
	for one := range e.queue {
		select {
		case <-e.drop:
		default:
			e.hand(one)
		}
	}
}

func (e *events) hand(one event.Event) {
	defer func() {
		if r := recover(); r != nil {
			e.log.Error(event.Panic, zap.String(event.FieldReason, "Notify"), zap.Any("panic", r), zap.ByteString("stack", debug.Stack()))
		}
	}()
	e.notify(one)
}

// finish waits until all events are handed over, or ctx is done. The loop must have
// ended.
func (e *events) finish(ctx context.Context) error {
	if e == nil {
		return nil
	}
	e.ending.Do(func() { close(e.queue) })
	select {
	case <-e.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// abandon drops the events that wait. The loop must have ended.
func (e *events) abandon() {
	if e != nil {
		e.giveUp.Do(func() { close(e.drop) })
		e.ending.Do(func() { close(e.queue) })
	}
}
