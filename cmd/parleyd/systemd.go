package main

import (
	"context"
	"errors"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"
)

// tell tells the service manager of a change, if there is one that wants to know
// (sd_notify(3)).
func (d *daemon) tell(state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		d.logs.Warn(eventNotifyFailed, zap.Error(err))
	}
}

// watch tells the service manager's watchdog that the daemon lives, for as long as the
// hub answers, until ctx is done.
func (d *daemon) watch(ctx context.Context) {
	every, err := systemd.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return
	}
	tick := time.NewTicker(every / 2)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if d.answers(ctx, every/2) {
			d.tell(systemd.SdNotifyWatchdog)
		}
	}
}

// answers reports whether the hub does, or has ended.
func (d *daemon) answers(ctx context.Context, in time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, in)
	defer cancel()
	_, err := d.hub.Room(ctx, "watchdog")
	return !errors.Is(err, context.DeadlineExceeded)
}
