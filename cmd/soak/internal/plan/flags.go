package plan

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/parley-rtc/parley/cmd/soak/internal/credential"
	"github.com/parley-rtc/parley/cmd/soak/internal/dialect"
)

// flags declares all settings: those of a run, and those of a phase.
func flags(c *Common, p *Phase) (all, phase *pflag.FlagSet) {
	all = pflag.NewFlagSet("soak", pflag.ContinueOnError)
	phase = pflag.NewFlagSet("phase", pflag.ContinueOnError)
	for _, f := range []*pflag.FlagSet{all, phase} {
		f.SortFlags = false
		f.SetOutput(io.Discard)
	}
	phase.StringVar((*string)(&p.Profile), "profile", string(Call), "kind of traffic: "+profileNames())
	phase.IntVar(&p.Rooms, "rooms", 50, "rooms (mesh 20, bigroom 1)")
	phase.IntVar(&p.Peers, "peers", 3, "members of each room (mesh 6, bigroom 100)")
	phase.Float64Var(&p.Rate, "rate", 500, "messages a second, all members together (flood: to begin with, 1000)")
	phase.DurationVar(&p.Duration, "duration", 30*time.Second, "time that messages are sent (flood: at most, 5m)")
	phase.DurationVar(&p.Ramp, "ramp", 5*time.Second, "time over which the members join (storm 0s)")
	phase.Float64Var(&p.Churn, "churn", 0, "members a second that leave and come back (churn: a twentieth of all)")
	phase.Float64Var(&p.Cuts, "cuts", 0, "connections a second that are cut and resumed (reconnect: a twentieth of all)")
	phase.Float64Var(&p.SlowShare, "slow-share", 0, "percent of members that read slowly (slow: 10)")
	phase.IntVar(&p.SlowRate, "slow-rate", 1000, "bytes a second that those read")
	phase.Float64Var(&p.BadShare, "bad-share", 0, "percent of members on bad links: cut several times in a row, slow to answer a close frame (rolling: 30)")
	phase.IntVar(&p.ExpectBreaks, "expect-breaks", 0, "connections that the server may break in the phase (rolling: 4 for each member)")
	phase.DurationVar(&p.Step, "step", 3*time.Second, "time that a flood keeps each rate")
	phase.IntVar(&p.WebRTC, "webrtc", 0, "pairs of real peer connections with data channels, in addition")
	phase.StringVar(&p.WebRTCCalls, "webrtc-calls", WebRTCKinds[0], "how their calls are to end, in turn, separated by commas: "+strings.Join(WebRTCKinds, ", "))

	all.StringVar(&c.URL, "url", "ws://127.0.0.1:8080/ws", "WebSocket `URL` of the server")
	all.StringVar(&c.DialectName, "dialect", "parley", "protocol of the server: "+strings.Join(dialect.Names(), ", "))
	all.StringVar(&c.Scenario, "scenario", "", "YAML `file` with any of these settings, and phases")
	all.AddFlagSet(phase)
	all.StringArrayVar(&c.Goals, "objective", nil, "what must hold, such as 'p99<20ms', 'loss=0', 'setup_p95<1s'; repeatable")
	all.DurationVar(&c.Late, "late", time.Second, "a message that takes longer is a fault; 0: none is")
	all.StringVar(&c.ReportFile, "report", "", "HTML `file` to write the report to")
	all.StringVar(&c.JSONFile, "json", "", "JSON `file` to write the report to; -: standard output")
	all.StringVar(&c.MetricsURL, "metrics-url", "", "`URL` of the server's Prometheus metrics")
	all.StringVar(&c.MetricsAuth, "metrics-token-file", "", "`file` with the bearer token for them")
	all.StringVar(&c.StartAt, "start-at", "", "`time` to start at, RFC 3339 or HH:MM:SS (local time, today or tomorrow), for several machines at once; a flood takes its rates by the clock then")
	all.StringArrayVar(&c.Sources, "source", nil, "local `address` to connect from; repeatable, taken in turn")
	all.StringArrayVar(&c.HeaderLines, "header", nil, "`line` to add to the handshake, such as 'Origin: https://a.example'; repeatable")
	all.StringVar(&c.TLSCA, "tls-ca", "", "PEM `file` with the authorities to trust")
	all.BoolVar(&c.Insecure, "tls-insecure", false, "take any certificate")
	all.BoolVar(&c.Changes, "changes", false, "members ask for changes of the room in place of lists")
	all.StringVar(&c.TokenFile, "token-file", "", "`file` with a token (JWT) to join with, or with one a line for members in turn; read again before they expire")
	all.StringVar(&c.SecretFile, "auth-secret-file", "", "`file` with the server's secret, one a line as for the daemon: each member joins with a token signed with the first")
	all.DurationVar(&c.TokenTTL, "token-ttl", time.Hour, "time that those tokens are good for; they are renewed before")
	all.StringVar(&c.Passcode, "passcode", "", "`passcode` of the rooms, whose names begin with "+credential.RoomPrefix)
	all.Uint64Var(&c.Seed, "seed", 0, "seed of all random choices; 0: a new one")
	all.StringArrayVar(&c.ICEServers, "ice-server", nil, "STUN or TURN `URL` for real peer connections; repeatable; none: what the server hands out")
	all.StringVar(&c.ICEUser, "ice-user", "", "user `name` for the TURN URLs")
	all.StringVar(&c.ICEPassword, "ice-password", "", "password for the TURN URLs")
	all.BoolVar(&c.RelayOnly, "relay-only", false, "real peer connections go through TURN alone")
	all.BoolVar(&c.NoProgress, "no-progress", false, "print the summary alone")
	all.BoolVarP(&c.Help, "help", "h", false, "print this help and exit")
	all.BoolVar(&c.Version, "version", false, "print the version and exit")
	return all, phase
}

func profileNames() string {
	var names []string
	for _, p := range Profiles {
		names = append(names, string(p.Name))
	}
	return strings.Join(names, ", ")
}

func known(name Profile) bool {
	for _, p := range Profiles {
		if p.Name == name {
			return true
		}
	}
	return false
}

// Usage describes all flags.
func Usage() string {
	all, _ := flags(new(Common), new(Phase))
	text := all.FlagUsages() + "\nEach is also an environment variable (--rate: SOAK_RATE; lists separated by commas)\n" +
		"and a field of the scenario file. A flag wins over the environment, that over the file.\n\nProfiles:\n"
	for _, p := range Profiles {
		text += fmt.Sprintf("  %-10s %s\n", p.Name, p.Text)
	}
	return text
}
