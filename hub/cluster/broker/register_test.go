package broker

import (
	"fmt"
	"sync"
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
	var writes sync.WaitGroup
	writes.Go(func() { // what a node does
		for t.Context().Err() == nil {
			_, _ = b.Put(t.Context(), "node.x", []byte("2"), first)
			time.Sleep(retryTime)
		}
	})
	t.Cleanup(writes.Wait)
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

// A node writes nothing before it knows all that the register had when it came: else it
// might take a node for lost that it has not heard of yet.
func TestKnowsAllBeforeItWrites(t *testing.T) {
	all := embedded(t, 3)
	if err := all[0].Start(func([]byte) {}, func(cluster.Entry) {}, func() {}); err != nil {
		t.Fatal(err)
	}
	const entries = 50
	for i := range entries {
		if _, err := put(t, all[0], fmt.Sprint("node.x", i), "1", 0); err != nil {
			t.Fatal(err)
		}
	}
	late := all[1]
	come, goesOn := make(chan struct{}, entries+10), make(chan struct{})
	once := sync.OnceFunc(func() { close(goesOn) })
	t.Cleanup(once) // before the broker is closed, which waits for what it calls
	known := 0
	err := late.Start(func([]byte) {}, func(e cluster.Entry) {
		if e.Key == "node.late" {
			return
		}
		known++
		come <- struct{}{}
		<-goesOn
	}, func() {})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-come:
	case <-time.After(patience):
		t.Fatal("the node was told of nothing")
	}
	for range 10 {
		if _, err := late.Put(t.Context(), "node.late", []byte("1"), 0); err == nil {
			t.Fatal("it has written, and knows one entry")
		}
	}
	once()
	if _, err := put(t, late, "node.late", "1", 0); err != nil {
		t.Fatal(err)
	}
	if known < entries {
		t.Errorf("it has written, and knows %d entries of %d", known, entries)
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
