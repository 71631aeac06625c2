package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// kinds is the mix of messages, as a call that comes up has it: one offer and one
// answer among many candidates.
var kinds = [...]string{
	"offer", "candidate", "candidate", "candidate",
	"answer", "candidate", "candidate", "candidate", "candidate",
}

// payload is what a message says of itself. All of its text follows from it, so
// that the receiver can tell whether a byte has changed.
type payload struct {
	kind     string
	from, to [2]int // room and number of a member
	seq      uint64 // counts the messages of one sender to one receiver from 0
	at       time.Time
}

// stamp is the part of the text that differs from message to message.
func (p payload) stamp() string {
	return fmt.Sprintf("%d.%d-%d.%d-%d-%d", p.from[0], p.from[1], p.to[0], p.to[1], p.seq, p.at.UnixNano())
}

func readStamp(kind, s string) (payload, error) {
	p := payload{kind: kind}
	var nanos int64
	_, err := fmt.Sscanf(s, "%d.%d-%d.%d-%d-%d", &p.from[0], &p.from[1], &p.to[0], &p.to[1], &p.seq, &nanos)
	p.at = time.Unix(0, nanos)
	return p, err
}

// sdpBody is what a browser's offer of one picture and one voice is like: 1.5 KB.
var sdpBody = strings.Repeat("a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\na=fmtp:97 apt=96\r\n", 20)

func (p payload) sdp() string {
	return "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=" + p.stamp() + "\r\nt=0 0\r\n" + sdpBody
}

// candidate is an RTCIceCandidateInit.
type candidate struct {
	Candidate        string `json:"candidate"`
	SDPMid           string `json:"sdpMid"`
	SDPMLineIndex    int    `json:"sdpMLineIndex"`
	UsernameFragment string `json:"usernameFragment"`
}

func (p payload) candidate() candidate {
	return candidate{
		Candidate: "candidate:842163049 1 udp 1677729535 192.0.2.17 46154 typ srflx raddr 10.0.0.17 rport 46154 " +
			"generation 0 ufrag EsAw network-cost 999",
		SDPMid:           "0",
		UsernameFragment: p.stamp(),
	}
}

// message is what is sent.
func (p payload) message(from, to *member) map[string]any {
	m := map[string]any{"type": p.kind, "room": from.room, "from": from.id, "to": to.id}
	if p.kind == "candidate" {
		m["candidate"] = p.candidate()
	} else {
		m["sdp"] = p.sdp()
	}
	return m
}

// parse reads the payload of a message and checks that all of it is as it was
// sent.
func parse(in *incoming) (payload, error) {
	if in.Type == "candidate" {
		var c candidate
		if err := json.Unmarshal(in.Candidate, &c); err != nil {
			return payload{}, err
		}
		p, err := readStamp(in.Type, c.UsernameFragment)
		if err == nil && p.candidate() != c {
			err = fmt.Errorf("message %d has changed on its way", p.seq)
		}
		return p, err
	}
	var sdp string
	if err := json.Unmarshal(in.SDP, &sdp); err != nil {
		return payload{}, err
	}
	_, rest, _ := strings.Cut(sdp, "\r\ns=")
	stamp, _, _ := strings.Cut(rest, "\r\n")
	p, err := readStamp(in.Type, stamp)
	if err == nil && p.sdp() != sdp {
		err = fmt.Errorf("message %d has changed on its way", p.seq)
	}
	return p, err
}
