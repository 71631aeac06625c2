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

	f.StringArrayVar(&c.Listen, "listen", []string{":8080"}, "`address` of the page, /ws, /healthz and /readyz: host:port, unix:/path?mode=0660&owner=user:group, or systemd:name; repeatable; :443 with acme-domain")
	f.StringVar(&c.AdminListen, "admin-listen", "127.0.0.1:8081", "`address` of the admin page, /api/v1/, /metrics, /debug/pprof/ and /log/level; empty: off")
	f.StringVar(&c.AdminToken, "admin-token-file", "", "`file` with the token that the admin listener requires; needed unless it is on loopback")
	f.StringVar(&c.TLSCert, "tls-cert", "", "certificate chain `file` (PEM): HTTPS and WSS; reloaded when it changes")
	f.StringVar(&c.TLSKey, "tls-key", "", "private key `file` (PEM)")
	f.StringVar(&c.Redirect, "redirect-listen", "", "`address` that redirects http to https; :80 with acme-domain, unless it is set to nothing")
	f.StringVar(&c.StateDir, "state-dir", "", "`folder` for data that outlives a restart; the default is systemd's StateDirectory, else a folder of the user")
	c.defineACME(f)
	f.StringVar(&c.BasePath, "base-path", "", "`path` before all that the daemon serves, such as /parley, for a proxy that passes it on")
	f.StringArrayVar(&c.Ancestors, "frame-ancestor", nil, "`origin` of pages that may embed the page, such as https://portal.example.org; repeatable")

	f.StringArrayVar(&c.AllowOrigins, "allow-origin", nil, "`pattern` of other pages that may connect, such as app.example.org, *.example.org or localhost:5173, with the port unless it is 80 or 443; * allows all; repeatable")
	f.IntVar(&c.MaxMessageBytes, "max-message-bytes", 64<<10, "longest message, in `bytes`")
	f.IntVar(&c.MaxConnections, "max-connections", 0, "connections at one time; 0: no limit")
	f.IntVar(&c.MaxRooms, "max-rooms", 0, "rooms at one time; 0: no limit")
	f.IntVar(&c.MaxRoomMembers, "max-room-members", 100, "members of one room; 0: no limit")
	f.IntVar(&c.QueueBytes, "queue-bytes", 1<<20, "`bytes` of memory for messages that wait for one connection; a sender may use a quarter; a full queue closes the connection")
	f.IntVar(&c.Rate, "rate", 200, "messages a second of one connection; 0: no limit")
	f.IntVar(&c.Burst, "burst", 1000, "messages that one connection may send at once")
	f.IntVar(&c.RateBytes, "rate-bytes", 1<<20, "`bytes` of messages a second of one connection; 0: no limit")
	f.IntVar(&c.BurstBytes, "burst-bytes", 4<<20, "`bytes` of messages that one connection may send at once")
	f.IntVar(&c.RateChanges, "rate-changes", 5, "joins, leaves, renames and updates a second of one connection, counted together; 0: no limit")
	f.IntVar(&c.BurstChanges, "burst-changes", 50, "joins, leaves, renames and updates that one connection may send at once")
	f.IntVar(&c.RateFanOut, "rate-fan-out", 8<<20, "bytes a second of copies (of messages to a whole room, and of member lists) that one connection may cause; 0: no limit")
	f.IntVar(&c.BurstFanOut, "burst-fan-out", 32<<20, "bytes of copies that one connection may cause at once")

	f.IntVar(&c.PerIP, "max-connections-per-ip", 0, "connections of one client address at one time (IPv6: of one /64); 0: no limit")
	f.IntVar(&c.ConnectRate, "connect-rate-per-ip", 0, "connections a second, and joins a second, of one client address; at once: ten times that; 0: no limit")
	f.StringArrayVar(&c.TrustedProxies, "trusted-proxy", nil, "`address` or prefix of a proxy whose X-Forwarded-For, Forwarded or X-Real-IP is believed, or unix; repeatable")
	f.BoolVar(&c.ProxyProtocol, "proxy-protocol", false, "trusted proxies send the PROXY protocol header (version 1 or 2) on listen, turn-listen (TCP) and turn-tls-listen")

	f.DurationVar(&c.PingInterval, "ping-interval", 25*time.Second, "time between WebSocket pings; 0: none")
	f.DurationVar(&c.PingTimeout, "ping-timeout", 10*time.Second, "time without a sign of life after a ping until the connection is dropped")
	f.DurationVar(&c.JoinTimeout, "join-timeout", 30*time.Second, "how long a connection may be in no room; 0: no limit")
	f.DurationVar(&c.ResumeWindow, "resume-window", 15*time.Second, "how long the membership of a lost connection stays")
	f.DurationVar(&c.DrainDelay, "drain-delay", 0, "how long the daemon still serves everything after SIGTERM while /readyz answers 503, before it closes connections")
	f.DurationVar(&c.DrainTimeout, "drain-timeout", 10*time.Second, "how long connections may take to end at SIGTERM")

	c.defineAuth(f)
	c.defineWebhooks(f)
	c.defineTURN(f)
	c.defineCluster(f)
	c.defineDialects(f)

	f.BoolVar(&c.Calls, "calls", true, "follow calls between members, for the log, metrics, the admin API and webhooks; false: nothing is kept of them")
	f.StringVar(&c.LogLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&c.LogFormat, "log-format", "json", "json, or console for people")

	f.BoolVar(&c.Version, "version", false, "print the version and exit")
}

func (c *Config) defineACME(f *pflag.FlagSet) {
	a := &c.ACME
	f.StringArrayVar(&a.Domains, "acme-domain", nil, "`name` of this server: HTTPS and WSS with certificates from an ACME authority; repeatable")
	f.StringVar(&a.Dir, "acme-dir", "", "`folder` for the ACME account, keys and certificates; empty: acme in state-dir")
	f.StringVar(&a.Directory, "acme-directory", "", "`URL` of the authority's directory; empty: Let's Encrypt")
	f.StringVar(&a.Root, "acme-root", "", "`file` with the certificates that sign the authority's own; empty: the system's; reloaded when it changes")
	f.StringVar(&a.Mail, "acme-email", "", "`address` that the authority can write to")
}

func (c *Config) defineAuth(f *pflag.FlagSet) {
	a := &c.Auth
	f.StringVar(&a.SecretFile, "auth-secret-file", "", "`file` with the secrets, one a line, that tokens are signed with (HS256, HS384, HS512); joins need a token then; reloaded when it changes")
	f.StringVar(&a.JWKS, "auth-jwks", "", "`file or URL` of the JWK set with the keys that tokens are signed with (EdDSA, and ES, RS and PS with 256, 384 and 512); joins need a token then")
	f.DurationVar(&a.Refresh, "auth-jwks-refresh", 5*time.Minute, "time between two fetches of a JWK set behind a URL")
	f.BoolVar(&a.Optional, "auth-optional", false, "a join without a token has the default rights")
	f.StringVar(&a.Issuer, "auth-issuer", "", "required claim iss of tokens")
	f.StringVar(&a.Audience, "auth-audience", "", "required claim aud of tokens")
	f.DurationVar(&c.KickBan, "kick-ban", time.Minute, "how long a kicked member is banned from the room")
}

func (c *Config) defineWebhooks(f *pflag.FlagSet) {
	w := &c.Webhooks
	f.StringVar(&w.Join, "join-webhook", "", "`URL` that is asked whether a member may join")
	f.DurationVar(&w.Timeout, "join-webhook-timeout", 3*time.Second, "time for the answer of the join webhook")
	f.DurationVar(&w.Cache, "join-webhook-cache", 10*time.Second, "how long an answer of the join webhook about a token is kept; 0: every join asks")
	f.BoolVar(&w.FailOpen, "join-webhook-fail-open", false, "let members in when the join webhook does not answer")
	f.StringVar(&w.Event, "event-webhook", "", "`URL` that gets the events of rooms, members and calls")
	f.StringVar(&w.SecretFile, "webhook-secret-file", "", "`file` with the secret (whsec_…) that webhooks are signed with; reloaded when it changes")
}

// A member of a mesh of eight has 7 connections. For each of them a browser makes an
// allocation at each of 3 URLs (UDP, TCP, TLS) on each of 2 networks (cable and Wi-Fi),
// and again, before the old ones are gone, when ICE restarts: 84. Ten such members may
// be behind one address.
const (
	maxAllocations      = 100
	maxAllocationsPerIP = 1000
)

func (c *Config) defineTURN(f *pflag.FlagSet) {
	f.StringArrayVar(&c.ICEServers, "ice-server", nil, "STUN or TURN `URL` for members; repeatable")
	f.StringVar(&c.TURNSecretFile, "turn-secret-file", "", "`file` with the secret shared with the TURN servers; reloaded when it changes")
	f.DurationVar(&c.TURNTTL, "turn-ttl", ice.DefaultTTL, "how long TURN credentials are valid")
	t := &c.TURN
	f.StringVar(&t.Listen, "turn-listen", "", "`address` of the TURN server in this daemon, UDP and TCP; :3478 with turn-public-ip; empty: off")
	f.StringVar(&t.TLSListen, "turn-tls-listen", "", "`address` of the TURN server in this daemon, TLS over TCP; may be that of listen, and is with acme-domain; empty: off")
	f.StringArrayVar(&t.PublicIPs, "turn-public-ip", nil, "public `address` of the relay: one, or one of IPv4 and one of IPv6, or auto; repeatable")
	f.StringVar(&t.Host, "turn-host", "", "`name` of the TURN server in the URLs that members get; empty: the first acme-domain, or turn-public-ip")
	f.StringVar(&t.PortRange, "turn-port-range", "49152-65535", "`ports` of relayed addresses")
	f.StringArrayVar(&t.AllowPeers, "turn-allow-peer", nil, "`address` or prefix that the relay may reach although it is loopback, link-local, private or this machine's own; repeatable")
	f.IntVar(&t.MaxAllocations, "turn-max-allocations", maxAllocations, "allocations of one member at one time; 0: no limit")
	f.IntVar(&t.MaxPerIP, "turn-max-allocations-per-ip", maxAllocationsPerIP, "allocations of one client address at one time (IPv6: of one /64), at most half of the ports; 0: no limit")
	f.IntVar(&t.Rate, "turn-rate", 8_000_000, "`bytes` a second that are relayed for one member; 0: no limit")
}

func (c *Config) defineCluster(f *pflag.FlagSet) {
	host, _ := os.Hostname() // without one, node must be given
	k := &c.Cluster
	f.StringVar(&k.Name, "cluster", "parley", "`name` of the cluster that this daemon is a node of, with cluster-listen or cluster-nats")
	f.StringVar(&k.Node, "node", strings.ReplaceAll(host, ".", "_"), "unique `name` of this node")
	f.StringVar(&k.Listen, "cluster-listen", "", "`address` for the other nodes; this daemon embeds a broker")
	f.StringArrayVar(&k.Peers, "cluster-peer", nil, "cluster-listen `address` of another node; repeatable")
	f.StringVar(&k.Dir, "cluster-dir", "", "`folder` for the broker; empty: a temporary one; needed unless cluster-listen is on loopback")
	f.StringVar(&k.SecretFile, "cluster-secret-file", "", "`file` with the secrets, one a line, that authenticate nodes to each other: the first is used, all are accepted; needed unless cluster-listen is on loopback; reloaded when it changes")
	f.StringVar(&k.TLSCert, "cluster-tls-cert", "", "certificate `file` for TLS between nodes, or to an external NATS server that asks for one")
	f.StringVar(&k.TLSKey, "cluster-tls-key", "", "private key `file` of cluster-tls-cert")
	f.StringVar(&k.TLSCA, "cluster-tls-ca", "", "`file` with the certificates of the authorities that sign those of the nodes, or of an external NATS server; all three are reloaded when they change")
	f.StringArrayVar(&k.NATS, "cluster-nats", nil, "`URL` of an external NATS server with JetStream, in place of cluster-listen; repeatable")
	f.StringVar(&k.NATSCreds, "cluster-nats-creds", "", "credentials `file` for that NATS server")
	f.StringVar(&k.Direct, "cluster-direct-listen", Auto, "`address` on which the other nodes connect directly; auto: the host of cluster-listen and any free port, none with cluster-nats; off: everything goes through NATS")
	f.StringArrayVar(&k.Advertise, "cluster-direct-advertise", nil, "`address` at which the other nodes reach cluster-direct-listen, if it differs; repeatable")
}
