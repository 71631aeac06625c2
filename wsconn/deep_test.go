package wsconn

import (
	"runtime"
	"sync"
	"testing"
)

// job counts how often it ran.
type job struct {
	ran  int
	then func()
}

func (j *job) runDeep() {
	j.ran++
	if j.then != nil {
		j.then()
	}
}

// Every job runs once, on its caller's behalf, however many run at once; goroutines are
// kept for as many as can run, and for nobody when there are no users.
func TestDeepStacks(t *testing.T) {
	var d deepStacks
	d.enter()
	jobs := make([]job, 20)
	var all, inside sync.WaitGroup
	inside.Add(len(jobs))
	for i := range jobs {
		all.Go(func() {
			jobs[i].then = func() { // all are under way at once
				inside.Done()
				inside.Wait()
			}
			d.run(&jobs[i])
			jobs[i].then = nil
			d.run(&jobs[i])
		})
	}
	all.Wait()
	for i := range jobs {
		if jobs[i].ran != 2 {
			t.Errorf("job %d ran %d times, want 2", i, jobs[i].ran)
		}
	}
	if n := len(d.idle); n == 0 || n > runtime.GOMAXPROCS(0) {
		t.Errorf("%d goroutines are kept, want 1 to %d", n, runtime.GOMAXPROCS(0))
	}
	d.leave() // goleak sees whether they have ended
	if len(d.idle) != 0 {
		t.Errorf("%d goroutines are kept for nobody", len(d.idle))
	}
	var late job
	d.run(&late)
	if late.ran != 1 || len(d.idle) != 0 {
		t.Errorf("without users it ran %d times and %d goroutines are kept", late.ran, len(d.idle))
	}
}

// A panic is the caller's, and the goroutine that it went through is not used again.
func TestDeepPanic(t *testing.T) {
	var d deepStacks
	d.enter()
	defer d.leave()
	func() {
		defer func() {
			if p := recover(); p != "deep" {
				t.Errorf("the panic is %v", p)
			}
		}()
		d.run(&job{then: func() { panic("deep") }})
	}()
	var after job
	d.run(&after)
	if after.ran != 1 {
		t.Error("after a panic nothing runs")
	}
}
