package actor

import "github.com/parley-rtc/parley/hub/event"

// notify tells the embedding program what happened.
func (l *loop) notify(e event.Event) {
	e.Time = l.now
	l.options.Notify(e)
}
