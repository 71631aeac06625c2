// Package plan is what soak is asked to do: flags, environment variables and the
// YAML file of a scenario, read and checked.
package plan

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/parley-rtc/parley/cmd/soak/internal/credential"
	"github.com/parley-rtc/parley/cmd/soak/internal/dialect"
)

// Plan is a whole run.
type Plan struct {
	Common

	Target     *url.URL
	Dialect    *dialect.Dialect
	Addresses  []netip.Addr // to connect from
	Headers    http.Header  // of handshakes
	Objectives []Objective
	// Credentials are what members show to be let in; nil: nothing.
	Credentials *credential.Source
	Start       time.Time // zero: at once
	Phases      []Phase
}

// Common are the settings of a whole run.
type Common struct {
	URL         string
	DialectName string
	Sources     []string
	HeaderLines []string
	TLSCA       string
	Insecure    bool
	TokenFile   string
	SecretFile  string
	TokenTTL    time.Duration
	Passcode    string
	Goals       []string
	Late        time.Duration
	Seed        uint64
	StartAt     string
	MetricsURL  string
	MetricsAuth string // file with a bearer token
	ReportFile  string
	JSONFile    string
	NoProgress  bool
	ICEServers  []string
	ICEUser     string
	ICEPassword string
	RelayOnly   bool
	Changes     bool
	Scenario    string
	Help        bool
	Version     bool
}

// Phase is one part of a run.
type Phase struct {
	Name      string
	Profile   Profile
	Rooms     int
	Peers     int
	Rate      float64       // messages a second, all members together
	Duration  time.Duration // that traffic lasts; in flood, at most
	Ramp      time.Duration // over which members join
	Churn     float64       // members a second that leave and come back
	Cuts      float64       // connections a second that are cut
	SlowShare float64       // of members that read slowly, in percent
	SlowRate  int           // bytes a second that those read
	BadShare  float64       // of members on bad links, in percent

	ExpectBreaks int           // connections that may break without that being a fault
	Step         time.Duration // of a flood's rate
	WebRTC       int           // real peer connections
	WebRTCCalls  string        // what is to become of them, in turn: of WebRTCKinds, with commas
}

// WebRTCKinds are what can become of the calls of real peer connections.
var WebRTCKinds = []string{"connected", "resumed", "declined", "unanswered", "no-candidate", "no-relay"}

// Profile is a kind of traffic.
type Profile string

// The profiles.
const (
	Call      Profile = "call"
	Mesh      Profile = "mesh"
	Storm     Profile = "storm"
	BigRoom   Profile = "bigroom"
	Churn     Profile = "churn"
	Reconnect Profile = "reconnect"
	Slow      Profile = "slow"
	Rolling   Profile = "rolling"
	Flood     Profile = "flood"
	Idle      Profile = "idle"
)

// Profiles are all profiles, with what they are.
var Profiles = []struct {
	Name Profile
	Text string
}{
	{Call, "calls between members of small rooms"},
	{Mesh, "in each room everybody calls everybody, again and again"},
	{Storm, "everybody joins at once, then calls"},
	{BigRoom, "one large room: calls, and messages to everybody"},
	{Churn, "calls, while members leave and come back"},
	{Reconnect, "calls, while connections are cut and resumed"},
	{Slow, "calls, while some members read slowly"},
	{Rolling, "calls, while servers restart or fail and some members are on bad links"},
	{Flood, "calls at a rate that rises until an objective is missed"},
	{Idle, "members that only stay"},
}

// Traffic reports whether members of the profile send anything.
func (p Profile) Traffic() bool { return p != Idle }

// MessagesPerCall is the mean of a call: an offer, an answer, and 8 to 20
// candidates each way.
const MessagesPerCall = 2 + 2*(MinCandidates+MaxCandidates)/2

// Candidates each way, of a call.
const (
	MinCandidates = 8
	MaxCandidates = 20
)

// defaults are those of a profile where they are not those of call.
var defaults = map[Profile]map[string]string{
	Mesh:    {"peers": "6", "rooms": "20"},
	Storm:   {"ramp": "0s"},
	BigRoom: {"rooms": "1", "peers": "100"},
	Rolling: {"bad-share": "30"},
	Flood:   {"rate": "1000", "duration": "5m"},
}

// Load reads a plan. An error is one line.
func Load(args []string, env func(string) (string, bool)) (*Plan, error) {
	p := new(Plan)
	given, _ := flags(&p.Common, new(Phase))
	if err := given.Parse(args); err != nil {
		return nil, err
	}
	if p.Help || p.Version {
		return p, nil
	}
	if given.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", given.Arg(0))
	}
	path := p.Scenario
	if text, ok := env(variable("scenario")); ok && path == "" {
		path = text
	}
	var s scenario
	if path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if s, err = parse(text); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if len(s.phases) == 0 {
		s.phases = []settings{nil}
	}
	for i, fields := range s.phases {
		var phase Phase
		var err error
		p.Common = Common{}
		if phase, err = p.phase(s.common, fields, env, args); err != nil {
			if path != "" {
				return nil, fmt.Errorf("phase %d: %w", i+1, err)
			}
			return nil, err
		}
		p.Phases = append(p.Phases, phase)
	}
	return p, p.check()
}

// variable returns the environment variable of a flag.
func variable(flag string) string {
	return "SOAK_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// phase reads the settings of one phase, the strongest source last.
func (p *Plan) phase(common, own settings, env func(string) (string, bool), args []string) (Phase, error) {
	var phase Phase
	all, of := flags(&p.Common, &phase)
	of.StringVar(&phase.Name, "name", "", "")
	if err := common.apply(all); err != nil {
		return phase, err
	}
	if err := own.apply(of); err != nil {
		return phase, err
	}
	var err error
	all.VisitAll(func(f *pflag.Flag) {
		if text, ok := env(variable(f.Name)); ok && text != "" && err == nil {
			if err = (setting{f.Name, strings.Split(text, ",")}).apply(f); err != nil {
				err = fmt.Errorf("%s: %w", variable(f.Name), err)
			}
		}
	})
	if err != nil {
		return phase, err
	}
	// A list on the command line replaces one of another source.
	strong, _ := flags(new(Common), new(Phase))
	if err := strong.Parse(args); err != nil {
		return phase, err
	}
	strong.Visit(func(f *pflag.Flag) {
		if lists, ok := f.Value.(pflag.SliceValue); ok {
			_ = all.Lookup(f.Name).Value.(pflag.SliceValue).Replace(lists.GetSlice())
		} else {
			_ = all.Set(f.Name, f.Value.String())
		}
	})
	for name, value := range defaults[phase.Profile] {
		if !all.Changed(name) && !of.Changed(name) {
			_ = all.Set(name, value)
		}
	}
	if phase.Name == "" {
		phase.Name = string(phase.Profile)
	}
	return phase, phase.check()
}

func (p *Phase) check() error {
	members := float64(p.Rooms * p.Peers)
	if p.Profile == Churn && p.Churn == 0 {
		p.Churn = max(members/20, 0.5)
	}
	if p.Profile == Reconnect && p.Cuts == 0 {
		p.Cuts = max(members/20, 0.5)
	}
	if p.Profile == Rolling {
		p.rolling(members)
	}
	if p.Profile == Slow && p.SlowShare == 0 {
		p.SlowShare = 10
	}
	switch {
	case !known(p.Profile):
		return fmt.Errorf("profile: there is no %q: there are %s", p.Profile, profileNames())
	case p.Rooms < 1 || p.Rooms > 1<<24-1:
		return errors.New("rooms: at least 1, and less than 16 million")
	case p.Peers < 1 || p.Peers > 65000:
		return errors.New("peers: at least 1 and at most 65000")
	case p.Peers < 2 && p.Profile.Traffic():
		return errors.New("peers: at least 2, or the profile idle")
	case !(p.Rate > 0) || p.Rate > 1e8:
		return errors.New("rate: more than 0, and at most 100 million")
	case p.Duration <= 0:
		return errors.New("duration: must be more than 0")
	case p.Ramp < 0:
		return errors.New("ramp: must not be negative")
	case !(p.Churn >= 0) || !(p.Cuts >= 0):
		return errors.New("churn and cuts: must not be negative")
	case !(p.SlowShare >= 0) || p.SlowShare > 100:
		return errors.New("slow-share: from 0 to 100 percent")
	case !(p.BadShare >= 0) || p.BadShare > 100:
		return errors.New("bad-share: from 0 to 100 percent")
	case p.ExpectBreaks < 0:
		return errors.New("expect-breaks: must not be negative")
	case p.SlowRate < 1:
		return errors.New("slow-rate: at least 1")
	case p.Step < time.Second:
		return errors.New("step: at least 1s")
	case p.WebRTC < 0:
		return errors.New("webrtc: must not be negative")
	}
	for _, kind := range strings.Split(p.WebRTCCalls, ",") {
		if !slices.Contains(WebRTCKinds, kind) {
			return fmt.Errorf("webrtc-calls: %q is none of %s", kind, strings.Join(WebRTCKinds, ", "))
		}
	}
	return nil
}

// rolling fills in what is not given of the profile rolling.
func (p *Phase) rolling(members float64) {
	if p.Churn == 0 {
		p.Churn = max(members/50, 0.5)
	}
	if p.Cuts == 0 {
		p.Cuts = max(members/20, 0.5)
	}
	if p.ExpectBreaks == 0 {
		p.ExpectBreaks = breaksExpected * p.Rooms * p.Peers
	}
}

// breaksExpected is how often each connection may break in the profile rolling: once
// for each of three servers, and once more for those that it was moved to too early.
const breaksExpected = 4

// check turns the texts of the common settings into what they mean.
func (p *Plan) check() error {
	u, err := url.Parse(p.URL)
	if err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss" {
		return fmt.Errorf("url: %q is not a ws:// or wss:// URL", p.URL)
	}
	p.Target = u
	if p.Dialect, err = dialect.Find(p.DialectName); err != nil {
		return err
	}
	for _, s := range p.Sources {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return fmt.Errorf("source: %q is not an IP address", s)
		}
		p.Addresses = append(p.Addresses, a)
	}
	p.Headers = http.Header{}
	for _, line := range p.HeaderLines {
		name, value, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(line, "\r\n") {
			return fmt.Errorf("header: %q is not 'Name: value'", line)
		}
		p.Headers.Add(name, strings.TrimSpace(value))
	}
	for _, text := range p.Goals {
		o, err := ParseObjective(text)
		if err != nil {
			return err
		}
		p.Objectives = append(p.Objectives, o)
	}
	if p.MetricsURL != "" {
		if u, err := url.Parse(p.MetricsURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("metrics-url: %q is not an http:// or https:// URL", p.MetricsURL)
		}
	}
	if p.Start, err = startTime(p.StartAt, time.Now()); err != nil {
		return err
	}
	if p.Credentials, err = credential.New(credential.Options{
		TokenFile: p.TokenFile, SecretFile: p.SecretFile, TTL: p.TokenTTL, Passcode: p.Passcode,
	}); err != nil {
		return err
	}
	if p.Credentials != nil && p.Dialect.Renew == nil {
		return fmt.Errorf("token-file, auth-secret-file and passcode: not with the dialect %s", p.DialectName)
	}
	if p.Late < 0 {
		return errors.New("late: must not be negative")
	}
	for _, phase := range p.Phases {
		if phase.WebRTC > 0 && !p.Dialect.Membership {
			return fmt.Errorf("webrtc: not with the dialect %s", p.DialectName)
		}
	}
	return nil
}

// startTime reads a time of day, today's or tomorrow's, or a whole date.
func startTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		if t.Before(now) {
			return t, fmt.Errorf("start-at: %s has passed", text)
		}
		return t, nil
	}
	t, err := time.ParseInLocation(time.TimeOnly, text, now.Location())
	if err != nil {
		return time.Time{}, fmt.Errorf("start-at: %q is neither RFC 3339 nor HH:MM:SS", text)
	}
	t = time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, now.Location())
	if t.Before(now) {
		t = t.AddDate(0, 0, 1)
	}
	return t, nil
}
