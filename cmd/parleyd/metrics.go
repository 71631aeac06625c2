package main

import (
	"cmp"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/parley-rtc/parley/hub/stats"
	"github.com/parley-rtc/parley/hub/wire"
)

// metrics returns the registry of all metrics.
func (d *daemon) metrics() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&collector{d},
	)
	return r
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("parley_"+name, help, labels, nil)
}

// The daemon's own metrics.
var (
	descConnections = desc("connections", "Open WebSocket connections.")
	descDialects    = desc("dialect_connections", "Open connections that speak another protocol than parleyd's own, by protocol.", "dialect")
	descTranslated  = desc("dialect_messages_total", "Messages of connections that speak another protocol than parleyd's own.", "dialect", "direction")
	descRooms       = desc("rooms", "Open rooms.")
	descMembers     = desc("members", "Members of all rooms.")
	descSuspended   = desc("members_suspended", "Members whose connection was lost and may be resumed.")
	descOutbox      = desc("outbox_bytes", "Bytes that wait in all outboxes.")
	descMessages    = desc("messages_total", "Messages forwarded; one to all members counts once.", "type")
	descRefusals    = desc("refusals_total", "Messages refused with an error.", "code")
	descUpgrades    = desc("upgrades_refused_total", "Upgrades refused.")
	descNoFile      = desc("connections_refused_total", "Connections refused because the process had no descriptor left.")
	descCloses      = desc("closes_total", "Connections ended, by close code.", "code")
	descBytesIn     = desc("received_bytes_total", "Bytes read from connections.")
	descBytesOut    = desc("sent_bytes_total", "Bytes written to connections.")
	descCalls       = desc("calls_total", "Calls between members that are over, by what became of them.", "outcome")
	descCallsActive = desc("calls_active", "Calls between members that are not over.")
	descCallsNot    = desc("calls_untracked_total", "Calls that are not followed because there are too many, in all or of one connection.")
	descCallAnswer  = desc("call_answer_seconds", "Time from a call's offer to its answer.")
	descCallSetup   = desc("call_setup_seconds", "Time until a call was connected, as a client reports it.")
	descCallPath    = desc("call_path_total", "Connected calls, by the path and the protocol that a client reports.", "path", "protocol")
	descCallRTT     = desc("call_rtt_seconds", "Median round-trip time of a call, as clients report it; of the side that has it worse.")
	descCallLoss    = desc("call_loss_ratio", "Median share of packets that a call loses, as clients report it; of the side that has it worse.")
	descBatchSize   = desc("hub_batch_commands", "Commands in a batch of the hub's loop.")
	descBatchTime   = desc("hub_batch_seconds", "Time that a batch of the hub's loop took.")
	descTransit     = desc("transit_seconds", "Time that a forwarded message spent inside the server, from its arrival to its write.")
	descDropped     = desc("log_lines_dropped_total", "Log lines dropped because the log's reader stalled.")
	descEvents      = desc("event_webhook_total", "Events for the webhook, by what became of them; retried ones count each time.", "result")
	descEventsWait  = desc("event_webhook_waiting", "Events that wait for the webhook.")
	descAsked       = desc("join_webhook_total", "Joins that the webhook was asked about, by what came of it.", "result")
	descRelays      = desc("turn_allocations", "Allocations of the TURN server.")
	descAllocated   = desc("turn_allocations_total", "Allocations that the TURN server has made.")
	descTURNRefused = desc("turn_refused_total", "What the TURN server refused or dropped, by reason.", "reason")
	descRelayed     = desc("turn_bytes_total", "Bytes that the TURN server relayed.", "direction")
	descAvailable   = desc("cluster_available", "1 if this node's lease is good, else 0.")
	descNodes       = desc("cluster_nodes", "Nodes of the cluster that this one has a link with, itself among them.")
	descPartitions  = desc("cluster_partitions", "Of 256 that rooms are divided into: those that this node owns.")
	descDirect      = desc("cluster_nodes_direct", "Nodes of the cluster that this one has a direct connection to.")
	descLinks       = desc("cluster_link_bytes", "Bytes that wait for other nodes or are on their way to them.")
	descNotBefore   = desc("certificate_not_before_seconds", "When the certificate that clients see begins to be valid, in seconds since 1970.", "name")
	descNotAfter    = desc("certificate_not_after_seconds", "When the certificate that clients see expires, in seconds since 1970.", "name")
	descACME        = desc("acme_total", "Attempts to obtain or renew a certificate.", "result")
	descBuild       = desc("build_info", "1, with the version as a label.", "version")
)

// collector reads the counters of the parts when metrics are asked for.
type collector struct{ d *daemon }

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	metric := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, t, v, labels...)
	}
	h, w := c.d.hub.Stats(), &c.d.handler.Stats
	metric(descConnections, prometheus.GaugeValue, float64(w.Connections.Load()))
	metric(descRooms, prometheus.GaugeValue, float64(h.Rooms.Load()))
	metric(descMembers, prometheus.GaugeValue, float64(h.Members.Load()))
	metric(descSuspended, prometheus.GaugeValue, float64(h.Suspended.Load()))
	metric(descOutbox, prometheus.GaugeValue, float64(h.OutboxBytes.Load()))
	for t := range wire.Type(wire.NumTypes) {
		if !t.Forwarded() {
			continue
		}
		metric(descMessages, prometheus.CounterValue, float64(h.Messages[t].Load()), t.String())
	}
	for code := wire.CodeBadMessage; int(code) < wire.NumCodes; code++ {
		metric(descRefusals, prometheus.CounterValue, float64(h.Refusals[code].Load()), code.String())
	}
	metric(descUpgrades, prometheus.CounterValue, float64(w.Refused.Load()))
	metric(descNoFile, prometheus.CounterValue, float64(c.d.refusedByListeners()))
	w.Closes.Each(func(code string, n uint64) {
		metric(descCloses, prometheus.CounterValue, float64(n), code)
	})
	metric(descBytesIn, prometheus.CounterValue, float64(w.BytesIn.Load()))
	metric(descBytesOut, prometheus.CounterValue, float64(w.BytesOut.Load()))
	metric(descDropped, prometheus.CounterValue, float64(c.d.logs.sink.Dropped()))
	metric(descBuild, prometheus.GaugeValue, 1, buildVersion())
	c.dialects(metric)
	c.access(metric)
	c.relay(metric)
	c.cluster(metric)
	c.certificates(metric)
	c.calls(metric)
	histogram := func(d *prometheus.Desc, h *stats.Histogram) {
		count, sum, buckets := h.Snapshot()
		ch <- prometheus.MustNewConstHistogram(d, count, sum, buckets)
	}
	histogram(descBatchSize, &h.BatchSize)
	histogram(descBatchTime, &h.BatchTime)
	histogram(descTransit, &h.Transit)
	histogram(descCallAnswer, &h.Calls.Answer)
	histogram(descCallSetup, &h.Calls.Setup)
	histogram(descCallRTT, &h.Calls.RTT)
	histogram(descCallLoss, &h.Calls.Loss)
}

// dialects collects what connections do that speak another protocol.
func (c *collector) dialects(metric metricFunc) {
	for _, h := range c.d.dialects {
		metric(descDialects, prometheus.GaugeValue, float64(h.Stats.Connections.Load()), h.Name())
		metric(descTranslated, prometheus.CounterValue, float64(h.Stats.MessagesIn.Load()), h.Name(), "in")
		metric(descTranslated, prometheus.CounterValue, float64(h.Stats.MessagesOut.Load()), h.Name(), "out")
	}
}

type metricFunc func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string)

// access collects what webhooks do.
func (c *collector) access(metric metricFunc) {
	if e := c.d.live.Load().access.told; e != nil {
		metric(descEvents, prometheus.CounterValue, float64(e.Stats.Delivered.Load()), "delivered")
		metric(descEvents, prometheus.CounterValue, float64(e.Stats.Retried.Load()), "retried")
		metric(descEvents, prometheus.CounterValue, float64(e.Stats.Dropped.Load()), "dropped")
		metric(descEventsWait, prometheus.GaugeValue, float64(e.Stats.Waiting.Load()))
	}
	if j := c.d.live.Load().access.asked; j != nil {
		metric(descAsked, prometheus.CounterValue, float64(j.Stats.Allowed.Load()), "allowed")
		metric(descAsked, prometheus.CounterValue, float64(j.Stats.Refused.Load()), "refused")
		metric(descAsked, prometheus.CounterValue, float64(j.Stats.Failed.Load()), "failed")
		metric(descAsked, prometheus.CounterValue, float64(j.Stats.Cached.Load()), "cached")
	}
}

// relay collects what the TURN server does.
func (c *collector) relay(metric metricFunc) {
	if c.d.relay == nil {
		return
	}
	s := &c.d.relay.Stats
	metric(descRelays, prometheus.GaugeValue, float64(s.Allocations.Load()))
	metric(descAllocated, prometheus.CounterValue, float64(s.Allocated.Load()))
	metric(descTURNRefused, prometheus.CounterValue, float64(s.Unauthorized.Load()), "unauthorized")
	metric(descTURNRefused, prometheus.CounterValue, float64(s.OverQuota.Load()), "quota")
	metric(descTURNRefused, prometheus.CounterValue, float64(s.PeersRefused.Load()), "peer")
	metric(descTURNRefused, prometheus.CounterValue, float64(s.Dropped.Load()), "packet")
	metric(descRelayed, prometheus.CounterValue, float64(s.BytesToPeers.Load()), "to_peers")
	metric(descRelayed, prometheus.CounterValue, float64(s.BytesFrom.Load()), "from_peers")
}

// cluster collects what this node is among the others.
func (c *collector) cluster(metric metricFunc) {
	if c.d.node == nil {
		return
	}
	s := c.d.node.Figures()
	available := 0.0
	if s.Available {
		available = 1
	}
	metric(descAvailable, prometheus.GaugeValue, available)
	metric(descNodes, prometheus.GaugeValue, float64(s.Nodes))
	if c.d.direct != nil {
		metric(descDirect, prometheus.GaugeValue, float64(c.d.direct.Connected()))
	}
	metric(descPartitions, prometheus.GaugeValue, float64(s.Partitions))
	metric(descLinks, prometheus.GaugeValue, float64(s.Waiting))
}

// calls collects what becomes of calls between members.
func (c *collector) calls(metric metricFunc) {
	n := &c.d.hub.Stats().Calls
	metric(descCallsActive, prometheus.GaugeValue, float64(n.Active.Load()))
	metric(descCallsNot, prometheus.CounterValue, float64(n.Untracked.Load()))
	for o := range wire.Outcome(wire.NumOutcomes) {
		if o != wire.NoOutcome && o != wire.OutcomeEnded { // these say nothing of a call that is over
			metric(descCalls, prometheus.CounterValue, float64(n.Outcomes[o].Load()), o.String())
		}
	}
	for path := range n.Paths {
		for protocol := range n.Paths[path] {
			count := n.Paths[path][protocol].Load()
			if count == 0 && (path == 0 || protocol == 0) {
				continue
			}
			metric(descCallPath, prometheus.CounterValue, float64(count),
				cmp.Or(wire.Path(path).String(), "unknown"), cmp.Or(wire.Protocol(protocol).String(), "unknown"))
		}
	}
}

// certificates collects how long those that clients see are good for.
func (c *collector) certificates(metric metricFunc) {
	for _, one := range c.d.certificates() {
		name := certificateName(one)
		metric(descNotBefore, prometheus.GaugeValue, float64(one.NotBefore.Unix()), name)
		metric(descNotAfter, prometheus.GaugeValue, float64(one.NotAfter.Unix()), name)
	}
	if m := c.d.acme; m != nil {
		metric(descACME, prometheus.CounterValue, float64(m.Stats.Obtained.Load()), "obtained")
		metric(descACME, prometheus.CounterValue, float64(m.Stats.Failed.Load()), "failed")
	}
}

// refusedByListeners counts the connections that found no descriptor.
func (d *daemon) refusedByListeners() (n uint64) {
	for _, e := range d.entrances {
		n += e.refused.Load()
	}
	return n
}
