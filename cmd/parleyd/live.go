package main

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/config"
	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/wsconn"
	"github.com/parley-rtc/parley/wsconn/clientip"
	"github.com/parley-rtc/parley/wsconn/limit"
)

// live is what follows from the settings that can change without a restart. It is not
// changed once it is in force, only replaced.
type live struct {
	config     *config.Config // in force
	access     access
	proxies    clientip.Proxies
	adminToken func() []byte                                    // nil: none is asked for
	secrets    func() [][]byte                                  // of credentials for TURN; nil: there are none
	iceServers func(id string, until time.Time) json.RawMessage // nil: there are none
}

// newLive makes what settings ask for, with the parts of old that stay the same; nil:
// there is none. The TURN server is there already.
func (d *daemon) newLive(c *config.Config, old *live) (l *live, err error) {
	l = &live{config: c}
	if l.proxies, err = clientip.ParseProxies(c.TrustedProxies); err != nil {
		return nil, err
	}
	if l.adminToken, err = newSecret("admin-token-file", c.AdminToken, asItIs, d.logs.Logger); err != nil {
		return nil, err
	}
	if l.secrets, err = d.turnSecrets(c); err != nil {
		return nil, err
	}
	if l.iceServers, err = d.newICE(l); err != nil {
		return nil, err
	}
	l.access, err = d.newAccess(c, old)
	return l, err
}

// handlerOptions are those of connections.
func (d *daemon) handlerOptions(l *live) wsconn.Options {
	c := l.config
	return wsconn.Options{
		AllowOrigins:    c.AllowOrigins,
		MaxMessageBytes: c.MaxMessageBytes,
		MaxConnections:  c.MaxConnections,
		QueueBytes:      c.QueueBytes,
		Rate:            orOff(c.Rate),
		Burst:           c.Burst,
		RateBytes:       orOff(c.RateBytes),
		BurstBytes:      c.BurstBytes,
		RateChanges:     orOff(c.RateChanges),
		BurstChanges:    c.BurstChanges,
		PingInterval:    orOff(c.PingInterval),
		PingTimeout:     c.PingTimeout,
		JoinTimeout:     orOff(c.JoinTimeout),
		PerAddress:      limit.Options{MaxConnections: c.PerIP, Rate: c.ConnectRate},
		Proxies:         l.proxies,
		Gate:            l.access.gate,
		ICEServers:      l.iceServers,
		Logger:          d.logs.Logger,
	}
}

// hubOptions are those of rooms.
func (d *daemon) hubOptions(c *config.Config) hub.Options {
	return hub.Options{
		MaxRooms:       c.MaxRooms,
		MaxRoomMembers: c.MaxRoomMembers,
		ResumeWindow:   c.ResumeWindow,
		KickBan:        c.KickBan,
		Logger:         d.logs.Logger,
		RateFanOut:     c.RateFanOut,
		BurstFanOut:    c.BurstFanOut,
		TrackCalls:     c.Calls,
		Notify:         d.notify(c),
	}
}

// orOff converts a setting, in which 0 means no limit, to the options of a handler, in
// which a negative value means no limit and 0 the default.
func orOff[T int | time.Duration](n T) T {
	if n == 0 {
		return -1
	}
	return n
}

// reload reads the settings again, and takes over all that can change without a
// restart, at once. If anything is wrong nothing changes. It returns the names of the
// settings that were taken over, and of those that need a restart. It may be called
// from any goroutine.
func (d *daemon) reload() (taken, restart []string, err error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	defer func() {
		if err != nil {
			d.logs.Error(eventNotReloaded, zap.Error(err))
			return
		}
		d.logs.Info(eventReloaded, zap.Strings(fieldChanged, taken), zap.Strings(fieldRestart, restart))
	}()
	fresh := config.New()
	if err := fresh.CheckEnvironment(os.Environ()); err != nil {
		return nil, nil, err
	}
	old := d.live.Load()
	if fresh, err = old.config.Again(os.LookupEnv); err != nil {
		return nil, nil, err
	}
	taken, restart = fresh.Changed(old.config)
	fresh.Keep(old.config, restart)
	l, err := d.newLive(fresh, old)
	if err != nil {
		return nil, nil, err
	}
	if err := d.take(l); err != nil {
		d.retire(l, old)
		return nil, nil, err
	}
	d.retire(old, l)
	return taken, restart, nil
}

// take puts into force what was made of new settings.
func (d *daemon) take(l *live) error {
	level, err := zapcore.ParseLevel(l.config.LogLevel)
	if err != nil {
		return err
	}
	if err := d.handler.Configure(d.handlerOptions(l)); err != nil {
		return err
	}
	if err := d.hub.SetLimits(d.hubOptions(l.config)); err != nil {
		return err
	}
	if !l.config.Same(d.live.Load().config, "log-level") {
		d.logs.level.SetLevel(level)
	}
	d.live.Store(l)
	return nil
}

// retire ends the parts of old that the present one does not have. Events that they have still
// to deliver are delivered in the background.
func (d *daemon) retire(old, present *live) {
	if t := old.access.tokens; t != nil && t != present.access.tokens {
		t.Close()
	}
	if t := old.access.told; t != nil && t != present.access.told {
		d.retiring.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), present.config.DrainTimeout)
			defer cancel()
			t.Close(ctx)
		})
	}
}
