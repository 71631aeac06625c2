package config

import (
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/ice"
)

// define ties the settings to their names, defaults and words of help.
func (c *Config) define(f *pflag.FlagSet) {
	f.StringVar(&c.file, "config", "", "YAML `file` with any of these settings")

	f.StringVar(&c.Listen, "listen", ":8080", "`address` of the page, /ws, /healthz and /readyz")
	f.StringVar(&c.AdminListen, "admin-listen", "127.0.0.1:8081", "`address` of /metrics, /debug/pprof/ and /log/level; empty: off")
	f.StringVar(&c.AdminToken, "admin-token-file", "", "`file` with the token that the admin listener asks for; needed off loopback")
	f.StringVar(&c.TLSCert, "tls-cert", "", "certificate chain `file` (PEM): HTTPS and WSS; reloaded when it changes")
	f.StringVar(&c.TLSKey, "tls-key", "", "private key `file` (PEM)")

	f.StringArrayVar(&c.AllowOrigins, "allow-origin", nil, "host `pattern` of pages that may connect besides the same origin; * allows all; repeatable")
	f.IntVar(&c.MaxMessageBytes, "max-message-bytes", 64<<10, "longest message, in `bytes`")
	f.IntVar(&c.MaxConnections, "max-connections", 0, "connections at one time; 0: no limit")
	f.IntVar(&c.MaxRooms, "max-rooms", 0, "rooms at one time; 0: no limit")
	f.IntVar(&c.MaxRoomMembers, "max-room-members", 100, "members of one room; 0: no limit")
	f.IntVar(&c.QueueBytes, "queue-bytes", 1<<20, "`bytes` that may wait for one connection before it is closed as too slow")
	f.IntVar(&c.Rate, "rate", 200, "messages a second of one connection; 0: no limit")
	f.IntVar(&c.Burst, "burst", 1000, "messages that one connection may send at once")

	f.IntVar(&c.PerIP, "max-connections-per-ip", 0, "connections of one client address at one time (IPv6: of one /64); 0: no limit")
	f.IntVar(&c.ConnectRate, "connect-rate-per-ip", 0, "connections a second that one client address may make, and likewise joins; ten seconds' worth at once; 0: no limit")
	f.StringArrayVar(&c.TrustedProxies, "trusted-proxy", nil, "`address` or prefix of a proxy whose X-Forwarded-For or Forwarded is believed; repeatable")

	f.DurationVar(&c.PingInterval, "ping-interval", 25*time.Second, "time between WebSocket pings; 0: none")
	f.DurationVar(&c.PingTimeout, "ping-timeout", 10*time.Second, "time for the answer to a ping")
	f.DurationVar(&c.JoinTimeout, "join-timeout", 30*time.Second, "time that a connection may be in no room; 0: no limit")
	f.DurationVar(&c.ResumeWindow, "resume-window", 15*time.Second, "time that a lost connection's membership stays")
	f.DurationVar(&c.DrainTimeout, "drain-timeout", 10*time.Second, "time that connections have to end at SIGTERM")

	c.defineAuth(f)
	c.defineWebhooks(f)
	c.defineTURN(f)
	c.defineCluster(f)

	f.StringVar(&c.LogLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&c.LogFormat, "log-format", "json", "json, or console for people")

	f.BoolVar(&c.Version, "version", false, "print the version and exit")
}

func (c *Config) defineAuth(f *pflag.FlagSet) {
	a := &c.Auth
	f.StringVar(&a.SecretFile, "auth-secret-file", "", "`file` with the secrets, one a line, that tokens are signed with (HS256, HS384, HS512); joins need a token then; reloaded when it changes")
	f.StringVar(&a.JWKS, "auth-jwks", "", "`file or URL` of the JWK set with the keys that tokens are signed with (EdDSA, ES256, RS256, PS256); joins need a token then")
	f.DurationVar(&a.Refresh, "auth-jwks-refresh", 5*time.Minute, "time between two looks at a JWK set behind a URL")
	f.BoolVar(&a.Optional, "auth-optional", false, "a join without a token has the default rights")
	f.StringVar(&a.Issuer, "auth-issuer", "", "what the claim iss of a token must be")
	f.StringVar(&a.Audience, "auth-audience", "", "what the claim aud of a token must have")
	f.DurationVar(&c.KickBan, "kick-ban", time.Minute, "time that who was kicked may not join the room again")
}

func (c *Config) defineWebhooks(f *pflag.FlagSet) {
	w := &c.Webhooks
	f.StringVar(&w.Join, "join-webhook", "", "`URL` that is asked whether a member may join")
	f.DurationVar(&w.Timeout, "join-webhook-timeout", 3*time.Second, "time for its answer")
	f.DurationVar(&w.Cache, "join-webhook-cache", 10*time.Second, "time that its answer about a token holds; 0: every join asks")
	f.BoolVar(&w.FailOpen, "join-webhook-fail-open", false, "let members in when it does not answer")
	f.StringVar(&w.Event, "event-webhook", "", "`URL` that is told of rooms and members")
	f.StringVar(&w.SecretFile, "webhook-secret-file", "", "`file` with the secret (whsec_…) that webhooks are signed with; reloaded when it changes")
}

func (c *Config) defineTURN(f *pflag.FlagSet) {
	f.StringArrayVar(&c.ICEServers, "ice-server", nil, "STUN or TURN `URL` for members; repeatable")
	f.StringVar(&c.TURNSecretFile, "turn-secret-file", "", "`file` with the secret shared with the TURN servers; reloaded when it changes")
	f.DurationVar(&c.TURNTTL, "turn-ttl", ice.DefaultTTL, "time that TURN credentials are good for")
	t := &c.TURN
	f.StringVar(&t.Listen, "turn-listen", "", "`address` of the TURN server in this daemon, UDP and TCP; empty: off")
	f.StringVar(&t.TLSListen, "turn-tls-listen", "", "`address` of the TURN server in this daemon, TLS over TCP, with tls-cert; empty: off")
	f.StringVar(&t.PublicIP, "turn-public-ip", "", "`address` at which relayed addresses are reached")
	f.StringVar(&t.Host, "turn-host", "", "`name` of the TURN server in the URLs that members get; empty: turn-public-ip")
	f.StringVar(&t.PortRange, "turn-port-range", "49152-65535", "`ports` of relayed addresses")
	f.StringArrayVar(&t.AllowPeers, "turn-allow-peer", nil, "`address` or prefix that may be relayed to though it is loopback, link-local, private or this machine's own; repeatable")
	f.IntVar(&t.MaxAllocations, "turn-max-allocations", 10, "allocations of one member at one time; 0: no limit")
	f.IntVar(&t.Rate, "turn-rate", 8_000_000, "`bytes` a second that are relayed for one member; 0: no limit")
}

func (c *Config) defineCluster(f *pflag.FlagSet) {
	host, _ := os.Hostname() // without one, node must be given
	k := &c.Cluster
	f.StringVar(&k.Name, "cluster", "parley", "`name` of the cluster that this daemon is a node of, with cluster-listen or cluster-nats")
	f.StringVar(&k.Node, "node", strings.ReplaceAll(host, ".", "_"), "`name` of this node, that no other has")
	f.StringVar(&k.Listen, "cluster-listen", "", "`address` for the other nodes: this daemon brings its own broker")
	f.StringArrayVar(&k.Peers, "cluster-peer", nil, "`address` that another node listens on for this; repeatable")
	f.StringVar(&k.Dir, "cluster-dir", "", "`folder` for the broker; empty: a temporary one")
	f.StringVar(&k.SecretFile, "cluster-secret-file", "", "`file` with the secret by which nodes prove themselves to each other; needed off loopback")
	f.StringVar(&k.TLSCert, "cluster-tls-cert", "", "certificate `file` for TLS between nodes")
	f.StringVar(&k.TLSKey, "cluster-tls-key", "", "private key `file` for TLS between nodes")
	f.StringVar(&k.TLSCA, "cluster-tls-ca", "", "`file` with the certificates that those of other nodes are signed with")
	f.StringArrayVar(&k.NATS, "cluster-nats", nil, "`URL` of an outside NATS server with JetStream, in place of cluster-listen; repeatable")
	f.StringVar(&k.NATSCreds, "cluster-nats-creds", "", "credentials `file` for it")
}
