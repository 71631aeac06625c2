package wire

import (
	"encoding/json"
	"errors"
	"strconv"
)

// Report is what a client says of a call with another member: the data of a report
// message. Everything in it is optional.
type Report struct {
	Outcome  Outcome
	Path     Path
	Protocol Protocol
	Reason   string // one word of at most [MaxReason] letters, digits, _ and -; empty: none

	has     uint16 // figures that are there, a bit for each
	figures [numFigures]float64
}

// MaxReport is the longest data of a report, in bytes, and MaxReason the longest reason
// in it.
const (
	MaxReport = 4096
	MaxReason = 64
)

// Figure is a number in a report.
type Figure uint8

// The figures of a report. Times are in milliseconds.
const (
	SetupMS    Figure = iota // from the start of the call until it was connected
	ICEMS                    // of that: until ICE was connected
	DTLSMS                   // of that: the DTLS handshake
	DurationMS               // since it was connected
	RTTMS                    // round-trip time
	JitterMS
	Loss    // share of packets lost, 0 to 1
	KbpsIn  // kilobits a second
	KbpsOut // kilobits a second
	Freezes // of the video, so far

	numFigures = iota
)

const (
	maxSpanMS = 86_400_000 * 366 // a year: no call lasts longer
	maxStepMS = 3_600_000        // an hour: nothing else takes longer
	maxKbps   = 100_000_000
	maxCount  = 1_000_000_000
)

// figures have a figure's entry at its number. Its values are from 0 to most.
var figures = [numFigures]struct {
	name  string
	most  float64
	wrong *Refusal
}{
	SetupMS:    {"setup_ms", maxStepMS, wrongFigure("setup_ms", maxStepMS)},
	ICEMS:      {"ice_ms", maxStepMS, wrongFigure("ice_ms", maxStepMS)},
	DTLSMS:     {"dtls_ms", maxStepMS, wrongFigure("dtls_ms", maxStepMS)},
	DurationMS: {"duration_ms", maxSpanMS, wrongFigure("duration_ms", maxSpanMS)},
	RTTMS:      {"rtt_ms", maxStepMS, wrongFigure("rtt_ms", maxStepMS)},
	JitterMS:   {"jitter_ms", maxStepMS, wrongFigure("jitter_ms", maxStepMS)},
	Loss:       {"loss", 1, wrongFigure("loss", 1)},
	KbpsIn:     {"kbps_in", maxKbps, wrongFigure("kbps_in", maxKbps)},
	KbpsOut:    {"kbps_out", maxKbps, wrongFigure("kbps_out", maxKbps)},
	Freezes:    {"freezes", maxCount, wrongFigure("freezes", maxCount)},
}

func wrongFigure(name string, most int) *Refusal {
	return &Refusal{Code: CodeBadMessage, Text: strconv.Quote(name) + " must be a number from 0 to " + strconv.Itoa(most)}
}

// Outcome is what became of a call.
type Outcome uint8

// The outcomes of calls. A client reports those up to OutcomeEnded, about its own side;
// the others are what the server concludes.
const (
	NoOutcome         Outcome = iota
	OutcomeConnected          // media or data flows, or did until the end
	OutcomeFailed             // no connection came about
	OutcomeDeclined           // the callee did not want it
	OutcomeBusy               // the callee was in another call
	OutcomeUnanswered         // the callee did not answer
	OutcomeCanceled           // the caller gave up before the answer
	OutcomeEnded              // it is over
	OutcomeAnswered           // answered, and nobody has reported more
	OutcomeDropped            // connected, and then failed

	NumOutcomes = iota
)

// Path is how a connection goes: the type of the local candidate in use.
type Path uint8

// The paths.
const (
	NoPath Path = iota
	PathHost
	PathServerReflexive
	PathPeerReflexive
	PathRelay

	NumPaths = iota
)

// Protocol is what carries the packets, with a relay those to it.
type Protocol uint8

// The protocols.
const (
	NoProtocol Protocol = iota
	ProtocolUDP
	ProtocolTCP
	ProtocolTLS

	NumProtocols = iota
)

var (
	outcomes  = [NumOutcomes]string{"", "connected", "failed", "declined", "busy", "unanswered", "canceled", "ended", "answered", "dropped"}
	paths     = [NumPaths]string{"", "host", "srflx", "prflx", "relay"}
	protocols = [NumProtocols]string{"", "udp", "tcp", "tls"}
)

// String returns the outcome as it stands on the wire; "" for none.
func (o Outcome) String() string { return outcomes[o] }

// String returns the path as it stands on the wire; "" for none.
func (p Path) String() string { return paths[p] }

// String returns the protocol as it stands on the wire; "" for none.
func (p Protocol) String() string { return protocols[p] }

// MarshalText implements [encoding.TextMarshaler].
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (o *Outcome) UnmarshalText(text []byte) (err error) {
	*o, err = named[Outcome](outcomes[:], text)
	return err
}

// MarshalText implements [encoding.TextMarshaler].
func (p Path) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *Path) UnmarshalText(text []byte) (err error) {
	*p, err = named[Path](paths[:], text)
	return err
}

// MarshalText implements [encoding.TextMarshaler].
func (p Protocol) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *Protocol) UnmarshalText(text []byte) (err error) {
	*p, err = named[Protocol](protocols[:], text)
	return err
}

var errNoSuchName = errors.New("wire: no such name")

// named finds a name in a list.
func named[T ~uint8](names []string, name []byte) (T, error) {
	for i, known := range names {
		if string(name) == known {
			return T(i), nil
		}
	}
	return 0, errNoSuchName
}

var (
	errReport      = &Refusal{Code: CodeBadMessage, Text: "\"data\" of a report must be an object of at most 4096 bytes"}
	errReportTwice = &Refusal{Code: CodeBadMessage, Text: "a name appears twice in the \"data\" of a report"}
	errOutcome     = &Refusal{Code: CodeBadMessage, Text: "\"outcome\" is none of the outcomes that a client reports"}
	errPath        = &Refusal{Code: CodeBadMessage, Text: "\"path\" must be host, srflx, prflx or relay"}
	errProtocol    = &Refusal{Code: CodeBadMessage, Text: "\"protocol\" must be udp, tcp or tls"}
	errReason      = &Refusal{Code: CodeBadMessage, Text: "\"reason\" must be a word of at most 64 letters, digits, _ and -"}
)

// ParseReport reads the data of a report, which must be JSON in UTF-8. It ignores
// members that it does not know, and those that are null.
func ParseReport(data []byte) (Report, *Refusal) {
	var r Report
	if len(data) > MaxReport || len(data) == 0 || data[0] != '{' {
		return r, errReport
	}
	var seen uint32
	for i := skipSpace(data, 1); data[i] != '}'; {
		end, escaped := skipString(data, i)
		name := data[i+1 : end-1]
		if escaped {
			name = unescape(name)
		}
		value := skipSpace(data, skipSpace(data, end)+1)
		i = skipValue(data, value)
		if bit, refusal := r.member(name, data[value:i]); refusal != nil {
			return Report{}, refusal
		} else if seen&bit != 0 {
			return Report{}, errReportTwice
		} else {
			seen |= bit
		}
		if i = skipSpace(data, i); data[i] == ',' {
			i = skipSpace(data, i+1)
		}
	}
	return r, nil
}

// member takes one member of the data. It returns a bit that stands for its name; 0: it
// is unknown.
func (r *Report) member(name, value []byte) (bit uint32, refusal *Refusal) {
	for f := range figures {
		if string(name) == figures[f].name {
			return 1 << f, r.setFigure(Figure(f), value)
		}
	}
	null := value[0] == 'n'
	switch string(name) {
	case "outcome":
		if !null && !text(&r.Outcome, outcomes[:OutcomeEnded+1], value) {
			refusal = errOutcome
		}
		return 1 << 16, refusal
	case "path":
		if !null && !text(&r.Path, paths[:], value) {
			refusal = errPath
		}
		return 1 << 17, refusal
	case "protocol":
		if !null && !text(&r.Protocol, protocols[:], value) {
			refusal = errProtocol
		}
		return 1 << 18, refusal
	case "reason":
		word, ok := stringValue(value)
		if !null && (!ok || !isPlainWord(word)) {
			refusal = errReason
		}
		r.Reason = string(word)
		return 1 << 19, refusal
	}
	return 0, nil
}

// setFigure reads a figure.
func (r *Report) setFigure(f Figure, value []byte) *Refusal {
	if value[0] == 'n' {
		return nil
	}
	v, err := strconv.ParseFloat(string(value), 64)
	if err != nil || v < 0 || v > figures[f].most {
		return figures[f].wrong
	}
	r.figures[f] = v
	r.has |= 1 << f
	return nil
}

// text reads one of some names; the first of them stands for none.
func text[T ~uint8](to *T, names []string, value []byte) bool {
	word, ok := stringValue(value)
	if !ok {
		return false
	}
	t, err := named[T](names, word)
	*to = t
	return err == nil && t != 0
}

// isPlainWord reports whether a reason is one: nothing in it can be an address or a sentence.
func isPlainWord(b []byte) bool {
	for _, c := range b {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return len(b) > 0 && len(b) <= MaxReason
}

// Figure returns a number of the report, and whether it has it.
func (r *Report) Figure(f Figure) (v float64, ok bool) { return r.figures[f], r.has>>f&1 == 1 }

// MarshalJSON returns the report as the data of a message.
func (r Report) MarshalJSON() ([]byte, error) {
	m := make(map[string]any)
	for name, word := range map[string]string{
		"outcome": r.Outcome.String(), "path": r.Path.String(), "protocol": r.Protocol.String(), "reason": r.Reason,
	} {
		if word != "" {
			m[name] = word
		}
	}
	for f := range figures {
		if v, ok := r.Figure(Figure(f)); ok {
			m[figures[f].name] = v
		}
	}
	return json.Marshal(m)
}

// UnmarshalJSON reads what MarshalJSON has written.
func (r *Report) UnmarshalJSON(data []byte) error {
	got, refusal := ParseReport(data)
	if refusal != nil {
		return refusal
	}
	*r = got
	return nil
}
