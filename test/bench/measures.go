package main

import (
	"time"

	"github.com/parley-rtc/parley/test/bench/load"
)

// Sizes of the measures.
const (
	pairCount    = 50
	relayWarm    = 300 * time.Millisecond
	relayTime    = 1500 * time.Millisecond
	latencyRate  = 2000
	latencyTime  = 4 * time.Second
	latencyParts = 16 // of 500 messages; the median of their quantiles counts
	idleCount    = 5000
	idleSettle   = 2 * time.Second
)

// measure is something that is measured; it may have several figures.
type measure struct {
	names []string
	of    func(s *server) (map[string]float64, error)
}

const (
	relay16   = "relay, 16 under way a pair, messages/s"
	relay16us = "– its server CPU a message, µs"
	relay1    = "relay, 1 under way a pair, messages/s"
	relay1us  = "– its server CPU a message, µs "
	p50       = "latency at 2,000/s, p50, µs"
	p99       = "latency at 2,000/s, p99, µs"
	idle      = "memory of an idle member (5,000, joined), KB"
	crowdMB   = "500 join one room at once: MB sent"
	crowdLost = "– members that never learn all"
	crowdTime = "– until all know all, s"
	rooms     = "2,000 join 500 rooms at once, s"
)

// relays are measured of all servers.
var relays = []measure{
	{[]string{relay16, relay16us}, func(s *server) (map[string]float64, error) { return relay(s, 16, relay16, relay16us) }},
	{[]string{relay1, relay1us}, func(s *server) (map[string]float64, error) { return relay(s, 1, relay1, relay1us) }},
}

var measures = []measure{
	relays[0],
	relays[1],
	{[]string{p50, p99}, latency},
	{[]string{idle}, memory},
	{[]string{crowdMB, crowdLost, crowdTime}, crowd},
	{[]string{rooms}, manyRooms},
}

var formats = map[string]string{
	relay16: "%.0f", relay16us: "%.2f", relay1: "%.0f", relay1us: "%.2f", p50: "%.0f", p99: "%.0f",
	idle: "%.1f", comeback: "%.1f", crowdMB: "%.1f", crowdLost: "%.0f", crowdTime: "%.2f", rooms: "%.3f",
}

// references are what parleyd is held against.
var references = map[string][]string{
	relay16: {"echo"}, relay16us: {"echo", "limit"}, relay1: {"echo"}, relay1us: {"echo", "limit"}, p50: {"echo"}, p99: {"echo"},
	idle: {"echo"}, crowdMB: {"mutex"}, crowdLost: {"mutex"}, crowdTime: {"mutex"}, rooms: {"mutex"},
}

var goals = map[string]string{
	relay16: "≥ 2.0 × echo", relay16us: "≤ 0.5 × echo, ≤ 1.6 × limit", relay1: "≥ 0.9 × echo", relay1us: "≤ 1.35 × limit",
	p50: "≤ 1.1 × echo", p99: "≤ 1.1 × echo",
	idle: "≤ 8 KB", crowdMB: "≤ 15 MB", crowdLost: "0", crowdTime: "≤ 0.6 × mutex", rooms: "≤ 0.9 × mutex",
}

// with runs the server and gives it and a fresh loop to f.
func with(s *server, f func(p *process, l *load.Loop) error) error {
	p, err := s.start()
	if err != nil {
		return err
	}
	defer p.stop()
	l, err := load.NewLoop()
	if err != nil {
		return err
	}
	defer l.Close()
	l.TLS = s.tls
	return f(p, l)
}

func relay(s *server, underWay int, rate, cpu string) (map[string]float64, error) {
	values := map[string]float64{}
	err := with(s, func(p *process, l *load.Loop) error {
		var used []time.Duration
		n, took, err := load.Relay(l, s.dialect, p.address, pairCount, underWay, relayWarm, relayTime, func() { used = append(used, p.cpu()) })
		if err != nil {
			return err
		}
		values[rate] = float64(n) / took.Seconds()
		values[cpu] = float64((used[1] - used[0]).Microseconds()) / float64(n)
		return nil
	})
	return values, err
}

func latency(s *server) (map[string]float64, error) {
	values := map[string]float64{}
	err := with(s, func(p *process, l *load.Loop) error {
		sent, err := load.Latency(l, s.dialect, p.address, pairCount, latencyRate, latencyTime)
		if err != nil {
			return err
		}
		values[p50] = float64(sent.Typical(.5, latencyParts).Nanoseconds()) / 1000
		values[p99] = float64(sent.Typical(.99, latencyParts).Nanoseconds()) / 1000
		return nil
	})
	return values, err
}

func memory(s *server) (map[string]float64, error) {
	values := map[string]float64{}
	err := with(s, func(p *process, l *load.Loop) error {
		before := p.rss()
		if err := load.Idle(l, s.dialect, p.address, idleCount); err != nil {
			return err
		}
		if err := l.Run(idleSettle, func() bool { return false }); err != nil {
			return err
		}
		values[idle] = float64(p.rss()-before) / idleCount / 1024
		return nil
	})
	return values, err
}

func crowd(s *server) (map[string]float64, error) {
	if !s.dialect.Rooms {
		return nil, nil
	}
	values := map[string]float64{}
	err := with(s, func(p *process, l *load.Loop) error {
		c, err := load.Join(l, s.dialect, p.address, 500, 500)
		values[crowdMB] = float64(c.Bytes) / 1e6
		values[crowdLost] = float64(c.Strange)
		values[crowdTime] = c.Took.Seconds()
		return err
	})
	return values, err
}

func manyRooms(s *server) (map[string]float64, error) {
	if !s.dialect.Rooms {
		return nil, nil
	}
	values := map[string]float64{}
	err := with(s, func(p *process, l *load.Loop) error {
		c, err := load.Join(l, s.dialect, p.address, 2000, 4)
		values[rooms] = c.Took.Seconds()
		return err
	})
	return values, err
}
