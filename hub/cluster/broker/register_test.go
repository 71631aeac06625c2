package broker

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parley-rtc/parley/hub/cluster"
)

// A register that is deleted is made anew, and the node is told that nothing of the old one
// holds any more; its writes go through again.
func TestRegisterMadeAnew(t *testing.T) {
	b := embedded(t, 3)[0]
	renewed := make(chan struct{}, 10)
	changes := make(chan cluster.Entry, 100)
	if err := b.Start(func([]byte) {}, func(e cluster.Entry) { changes <- e }, func() { renewed <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		put(t, b, "node.y", "1", 0)
	}
	first, err := put(t, b, "node.x", "1", 0)
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(b.conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteKeyValue(t.Context(), b.bucket()); err != nil {
		t.Fatal(err)
	}
	go func() { // what a node does
		for t.Context().Err() == nil {
			_, _ = put(t, b, "node.x", "2", first)
			time.Sleep(retryTime)
		}
	}()
	select {
	case <-renewed:
	case <-time.After(patience):
		t.Fatal("nobody was told")
	}
	at, err := put(t, b, "node.z", "1", 0)
	if err != nil || at >= first {
		t.Errorf("the new register counts from %d: %v", at, err)
	}
}

// The register has as many copies as there are servers, up to three, also if it was made
// before all of them were there.
func TestCopies(t *testing.T) {
	all := embedded(t, 3)
	for _, b := range all {
		if err := b.Start(func([]byte) {}, func(cluster.Entry) {}, func() {}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := put(t, all[0], "node.x", "1", 0); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(all[0].conn)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(retryTime) {
		kv, err := js.KeyValue(t.Context(), all[0].bucket())
		if err == nil {
			var status jetstream.KeyValueStatus
			if status, err = kv.Status(t.Context()); err == nil && status.(*jetstream.KeyValueBucketStatus).StreamInfo().Config.Replicas == 3 {
				return
			}
			all[1].watchAgain()
		}
		if time.Now().After(deadline) {
			t.Fatalf("the register has not got three copies: %v", err)
		}
	}
}
