package wsconn

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub"
)

// The zero value serves, with the limits of the daemon's defaults.
func TestZeroOptions(t *testing.T) {
	h := newHub(t, hub.Options{})
	defer h.Close()
	handler := newHandler(t, h, Options{})
	o := handler.options.Load()
	for name, c := range map[string][2]int{
		"MaxMessageBytes": {o.MaxMessageBytes, 65536},
		"MaxConnections":  {o.MaxConnections, 0},
		"QueueBytes":      {o.QueueBytes, 1048576},
		"Rate":            {o.Rate, 200},
		"Burst":           {o.Burst, 1000},
		"RateBytes":       {o.RateBytes, 1048576},
		"BurstBytes":      {o.BurstBytes, 4194304},
		"RateChanges":     {o.RateChanges, 5},
		"BurstChanges":    {o.BurstChanges, 50},
		"PingInterval":    {int(o.PingInterval), int(25 * time.Second)},
		"PingTimeout":     {int(o.PingTimeout), int(10 * time.Second)},
		"JoinTimeout":     {int(o.JoinTimeout), int(30 * time.Second)},
	} {
		if c[0] != c[1] {
			t.Errorf("%s is %d, want %d", name, c[0], c[1])
		}
	}
	c := newServer(t, nil).dial() // serves with Options{} too
	c.join("r", "a")
}

// An option that depends on another follows it, where it is not set.
func TestDependentOptions(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Options
		get  func(Options) int
		want int
	}{
		{"bursts follow rates", Options{Rate: 10}, func(o Options) int { return o.Burst }, 50},
		{"bursts of bytes follow rates", Options{RateBytes: 100_000}, func(o Options) int { return o.BurstBytes }, 400_000},
		{"bursts of changes follow rates", Options{RateChanges: 2}, func(o Options) int { return o.BurstChanges }, 20},
		{"a burst that is set stays", Options{Rate: 10, Burst: 7}, func(o Options) int { return o.Burst }, 7},
		{"the largest rate has a burst", Options{Rate: math.MaxInt}, func(o Options) int { return o.Burst }, math.MaxInt},
		{"a large rate has a burst", Options{Rate: math.MaxInt / 5}, func(o Options) int { return o.Burst }, math.MaxInt / 5 * 5},
		{"no rate stays off", Options{Rate: -1}, func(o Options) int { return o.Rate }, -1},
		{"no rate of bytes stays off", Options{RateBytes: -1}, func(o Options) int { return o.RateBytes }, -1},
		{"no rate of changes stays off", Options{RateChanges: -1}, func(o Options) int { return o.RateChanges }, -1},
		{"no pings", Options{PingInterval: -1}, func(o Options) int { return int(o.PingInterval) }, -1},
		{"no time to join by", Options{JoinTimeout: -1}, func(o Options) int { return int(o.JoinTimeout) }, -1},
		{"a message fits into a burst", Options{BurstBytes: 1}, func(o Options) int { return o.BurstBytes }, 65536},
		{"the queue follows the message", Options{MaxMessageBytes: 1 << 20}, func(o Options) int { return o.QueueBytes }, 4 << 20},
		{"a queue that just holds a message", Options{QueueBytes: 64<<10 + 4<<10}, func(o Options) int { return o.QueueBytes }, 68 << 10},
		{"pings may be closer than their timeout", Options{PingInterval: 1, PingTimeout: 2}, func(o Options) int { return int(o.PingTimeout) }, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := c.o.withDefaults()
			if err != nil {
				t.Fatal(err)
			}
			if got := c.get(o); got != c.want {
				t.Errorf("%d, want %d", got, c.want)
			}
		})
	}
}

// Options that can't be are refused, by name.
func TestBadOptions(t *testing.T) {
	h := newHub(t, hub.Options{})
	defer h.Close()
	for name, o := range map[string]Options{
		"MaxMessageBytes": {MaxMessageBytes: -1},
		"MaxConnections":  {MaxConnections: -1},
		"QueueBytes":      {QueueBytes: 68<<10 - 1},
		"Burst":           {Burst: -1},
		"BurstBytes":      {BurstBytes: -1},
		"BurstChanges":    {BurstChanges: -1},
		"PingTimeout":     {PingTimeout: -1},
	} {
		if _, err := NewHandler(h, o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
