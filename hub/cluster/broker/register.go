package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/cluster"
)

// watchAgain has the register watched anew: it may be another one.
func (b *Broker) watchAgain() {
	select {
	case b.again <- struct{}{}:
	default:
	}
}

// watch has the register told, from as soon as it is there.
func (b *Broker) watch() {
	begun := time.Now()
	said := begun.Add(-waitingTime / 2)
	for b.ctx.Err() == nil {
		had, err := b.watchOnce()
		if b.ctx.Err() != nil {
			return
		}
		now := time.Now()
		if had {
			begun = now
		}
		if err != nil && now.Sub(said) >= waitingTime {
			said = now
			fields := []zap.Field{zap.Int("reachable", b.reachable()), zap.Int("servers", b.servers())}
			if b.server == nil || now.Sub(begun) > worryTime {
				fields = append(fields, zap.Error(err))
			}
			b.options.Logger.Info(EventWaiting, fields...)
		}
		select {
		case <-time.After(retryTime):
		case <-b.ctx.Done():
		}
	}
}

// blindTime is how long the watch may lag behind a write of this node before it is begun
// anew: its server may be gone.
const blindTime = 2 * time.Second

var errBlind = errors.New("the watch of the register does not show what was written")

// watchOnce watches the register until that ends. It reports whether there was one, and
// returns why it is not watched any more; nil: it is to be watched anew.
func (b *Broker) watchOnce() (had bool, err error) {
	if limit := b.conn.MaxPayload(); b.conn.IsConnected() && limit < cluster.MaxPacket {
		return false, fmt.Errorf("max_payload of the NATS server is %d; nodes need %d", limit, cluster.MaxPacket)
	}
	if err := b.connecting.Load(); err != nil && !b.conn.IsConnected() {
		return false, *err
	}
	js, err := jetstream.New(b.conn)
	if err != nil {
		return false, err
	}
	kv, err := b.register(js)
	if err != nil {
		return false, err
	}
	watcher, err := kv.WatchAll(b.ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = watcher.Stop() }()
	look := time.NewTicker(copiesTime)
	defer look.Stop()
	blind := time.NewTicker(blindTime / 2)
	defer blind.Stop()
	b.unseen.Store(0)
	for {
		select {
		case e, open := <-watcher.Updates():
			if !open {
				return true, errors.New("the watch of the register has ended")
			}
			b.unseen.Store(0)
			if e == nil {
				// Only now can anything be written: the node knows all that there was, so it takes
				// no other for lost that it has not heard of yet.
				b.use(kv)
			} else {
				b.changed(cluster.Entry{Key: e.Key(), Value: e.Value(), Revision: e.Revision()})
			}
		case <-look.C:
			if _, err := b.register(js); err != nil {
				return true, err
			}
		case now := <-blind.C:
			if put := b.unseen.Load(); put > 0 && now.Sub(time.Unix(0, put)) > blindTime {
				return true, errBlind
			}
		case <-b.again:
			return true, nil
		case <-b.ctx.Done():
			return true, b.ctx.Err()
		}
	}
}

// register returns the register, which it makes if there is none, and sees to the number
// of its copies. If it is another one than before, renewed is called.
func (b *Broker) register(js jetstream.JetStream) (jetstream.KeyValue, error) {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	kv, err := b.lookUp(ctx, js)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		// Where not all servers are there yet, one copy has to do until they are.
		for _, copies := range []int{b.copies(), 1} {
			if kv, err = js.CreateKeyValue(ctx, b.config(copies)); err == nil {
				break
			}
		}
	}
	if err != nil {
		return nil, err
	}
	status, err := kv.Status(ctx)
	if err != nil {
		return nil, err
	}
	info := status.(*jetstream.KeyValueBucketStatus).StreamInfo()
	copies := info.Config.Replicas
	if want := b.copies(); copies < want {
		if _, err := js.UpdateKeyValue(ctx, b.config(want)); err == nil {
			copies = want
		}
	}
	switch {
	case b.created.IsZero():
		b.options.Logger.Info(EventRegister, zap.Int("copies", copies))
	case !b.created.Equal(info.Created):
		b.options.Logger.Info(EventRegister, zap.Int("copies", copies))
		b.use(nil)
		b.renewed()
	case copies != info.Config.Replicas:
		b.options.Logger.Info(EventRegister, zap.Int("copies", copies))
	}
	b.created = info.Created
	return kv, nil
}

// lookUpTime is how long an answer to the question for the register may take. Servers that
// have no leader yet drop the question: it is asked again soon.
const lookUpTime = time.Second

func (b *Broker) lookUp(ctx context.Context, js jetstream.JetStream) (jetstream.KeyValue, error) {
	ctx, cancel := context.WithTimeout(ctx, lookUpTime)
	defer cancel()
	return js.KeyValue(ctx, b.bucket())
}

// use has Put write to a register; nil: there is none.
func (b *Broker) use(kv jetstream.KeyValue) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kv = kv
}

func (b *Broker) bucket() string { return "parley_" + b.options.Cluster }

func (b *Broker) config(copies int) jetstream.KeyValueConfig {
	return jetstream.KeyValueConfig{
		Bucket: b.bucket(), Description: "who owns which rooms of parleyd", History: 1,
		Storage: jetstream.FileStorage, Replicas: copies,
	}
}

// copies is how many servers are to keep the register: as many as can, up to three.
func (b *Broker) copies() int {
	if b.servers() >= 3 {
		return 3
	}
	return 1
}

// servers returns how many NATS servers there are, as far as is known.
func (b *Broker) servers() int {
	if e := b.options.Embedded; e != nil {
		return len(e.Peers) + 1
	}
	return len(b.conn.Servers()) // those that were named, and those that they know
}

// reachable returns how many of them this node reaches.
func (b *Broker) reachable() int {
	n := 0
	if b.conn.IsConnected() {
		n = 1
	}
	if b.server != nil {
		n += b.server.NumRemotes()
	}
	return n
}
