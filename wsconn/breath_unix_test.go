//go:build unix

package wsconn

import (
	"os"
	"runtime"
	"sync/atomic"
	"testing"
)

// A goroutine that takes a breath gives those a turn for which the network has something, although it
// never waits.
func TestBreath(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer out.Close()
	var came atomic.Int64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if _, err := in.Read(make([]byte, 1)); err != nil {
				return
			}
			came.Add(1)
		}
	}()
	// Far fewer than there are in the 10 ms after which the runtime looks by itself. On a busy
	// machine the reader's thread may be late now and then, whatever the runtime does.
	const breaths, bytes, seldom = 50, 1000, 50
	late := 0
	b := newBreath()
	b.take() // the reader waits
	b.take()
	for i := range int64(bytes) {
		if _, err := out.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		for n := 0; came.Load() <= i; n++ { // as a rule the second breath is enough
			if n == breaths {
				late++
			}
			b.take()
		}
	}
	if late > seldom {
		t.Errorf("%d of %d bytes were not read after %d breaths", late, bytes, breaths)
	}
	_ = out.Close()
	<-ended
	for range 1000 {
		b.take() // nobody else wants a turn
	}
}

// Without descriptors a breath is a turn of the goroutines that can run.
func TestBreathWithoutDescriptors(t *testing.T) {
	var b breath
	b.take()
}
