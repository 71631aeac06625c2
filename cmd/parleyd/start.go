package main

import (
	"math"
	"net"
	"runtime"
	"runtime/debug"
	"strings"

	"go.uber.org/zap"
)

// logStart says what this process is and what it will and won't do.
func (d *daemon) logStart() {
	c := d.config
	d.logs.Info(eventStart,
		zap.String("version", buildVersion()),
		zap.String("go", runtime.Version()),
		zap.String("listen", d.addresses()),
		zap.String("admin_listen", addressOf(d.adminListener)),
		zap.String("redirect_listen", addressOf(d.redirectListener)),
		zap.Bool("tls", d.server.TLSConfig != nil),
		zap.Strings("acme_domain", c.ACME.Domains),
		zap.Strings("allow_origin", c.AllowOrigins),
		zap.Int("max_message_bytes", c.MaxMessageBytes),
		zap.Int("max_connections", c.MaxConnections),
		zap.Int("max_rooms", c.MaxRooms),
		zap.Int("max_room_members", c.MaxRoomMembers),
		zap.Int("queue_bytes", c.QueueBytes),
		zap.Int("max_connections_per_ip", c.PerIP),
		zap.Int("connect_rate_per_ip", c.ConnectRate),
		zap.Strings("trusted_proxy", c.TrustedProxies),
		zap.Bool("proxy_protocol", c.ProxyProtocol),
		zap.Int("rate", c.Rate),
		zap.Int("burst", c.Burst),
		zap.Int("rate_bytes", c.RateBytes),
		zap.Int("burst_bytes", c.BurstBytes),
		zap.Int("rate_changes", c.RateChanges),
		zap.Int("burst_changes", c.BurstChanges),
		zap.Int("rate_fan_out", c.RateFanOut),
		zap.Int("burst_fan_out", c.BurstFanOut),
		zap.Duration("ping_interval", c.PingInterval),
		zap.Duration("ping_timeout", c.PingTimeout),
		zap.Duration("join_timeout", c.JoinTimeout),
		zap.Duration("resume_window", c.ResumeWindow),
		zap.Duration("drain_delay", c.DrainDelay),
		zap.Duration("drain_timeout", c.DrainTimeout),
		zap.Duration("kick_ban", c.KickBan),
		zap.Bool("calls", c.Calls),
		zap.Strings("dialects", d.dialectNames()),
		zap.Strings("ice_servers", c.ICEServers),
		zap.Strings("turn", d.turnURLs()),
		zap.Stringers("turn_public_ip", d.turnPublic),
		zap.Bool("tokens", c.Auth.On()),
		zap.Bool("tokens_optional", c.Auth.Optional),
		zap.Int("room_rules", len(c.Rooms)),
		zap.Bool("join_webhook", c.Webhooks.Join != ""),
		zap.Bool("event_webhook", c.Webhooks.Event != ""),
		zap.String("cluster", d.clusterName()),
		zap.String("node", d.nodeName()),
		zap.Int("gomaxprocs", runtime.GOMAXPROCS(0)),
		zap.Int64("memory_limit", memoryLimit()),
		zap.Uint64("open_files", openFiles()),
	)
}

// addresses are those of the page and of /ws.
func (d *daemon) addresses() string {
	var all []string
	for _, e := range d.entrances {
		text := e.Addr().String()
		if e.Addr().Network() == "unix" {
			text = "unix:" + text
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func addressOf(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}

// memoryLimit returns GOMEMLIMIT in bytes; 0: none is set.
func memoryLimit() int64 {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return 0
	}
	return limit
}
