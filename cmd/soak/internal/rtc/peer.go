package rtc

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/pion/webrtc/v4"

	"github.com/parley-rtc/parley/cmd/soak/internal/dialect"
)

// message is what goes through the signaling server.
type message struct {
	Type       string                   `json:"type"`
	Room       string                   `json:"room,omitempty"`
	From       string                   `json:"from,omitempty"`
	To         string                   `json:"to,omitempty"`
	SDP        string                   `json:"sdp,omitempty"`
	Token      string                   `json:"token,omitempty"`
	Passcode   string                   `json:"passcode,omitempty"`
	Candidate  *webrtc.ICECandidateInit `json:"candidate,omitempty"`
	Members    []string                 `json:"members,omitempty"`
	ICEServers []iceServer              `json:"ice_servers,omitempty"`
	Code       string                   `json:"code,omitempty"`
	Re         string                   `json:"re,omitempty"`
	Session    string                   `json:"session,omitempty"`
	Resumable  bool                     `json:"resumable,omitempty"`
	Error      string                   `json:"error,omitempty"`
}

// iceServer is an RTCIceServer as browsers take it.
type iceServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username"`
	Credential string   `json:"credential"`
}

// peer is one end: a place in a room, and a peer connection.
type peer struct {
	room, id string
	kind     Kind
	socket   *websocket.Conn
	pc       *webrtc.PeerConnection
	waiting  []webrtc.ICECandidateInit // for a remote description; owned by who reads the socket
	session  string                    // to resume with; empty: it can't
	received uint64                    // messages since and including joined; owned by who reads the socket
	idle     chan struct{}             // closed when a caller's signaling has ended
}

// leaveTime bounds the closing handshake.
const leaveTime = 2 * time.Second

func dial(ctx context.Context, o *Options, room string) (*websocket.Conn, error) {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: o.TLS}}
	socket, _, err := websocket.Dial(ctx, dialect.Hinted(o.Target, room, "").String(), &websocket.DialOptions{HTTPClient: client, HTTPHeader: o.Header})
	if err == nil {
		socket.SetReadLimit(1 << 20)
	}
	return socket, err
}

// enter joins a room and makes a peer connection with what the server hands out. Turn
// counts the peers, from 0.
func enter(ctx context.Context, o *Options, kind Kind, turn int, room, id string) (*peer, error) {
	socket, err := dial(ctx, o, room)
	if err != nil {
		return nil, err
	}
	p := &peer{room: room, id: id, kind: kind, socket: socket, idle: make(chan struct{})}
	if err := p.send(ctx, message{
		Type: "join", Token: o.Credentials.Token(turn, room, id).Text, Passcode: o.Credentials.Passcode(), Resumable: kind == Resumed,
	}); err != nil {
		p.leave()
		return nil, err
	}
	var handed []webrtc.ICEServer
	for {
		m, err := p.read(ctx)
		if err != nil {
			p.leave()
			return nil, err
		}
		if m.Session != "" {
			p.session = m.Session
		}
		for _, s := range m.ICEServers {
			handed = append(handed, webrtc.ICEServer{URLs: s.URLs, Username: s.Username, Credential: s.Credential})
		}
		if m.Type == "room_members" {
			break
		}
	}
	c, err := o.configuration(handed)
	if err == nil {
		kind.configure(&c)
		p.pc, err = kind.api().NewPeerConnection(c)
	}
	if err != nil {
		p.leave()
		return nil, err
	}
	return p, nil
}

func (p *peer) leave() {
	if p.pc != nil {
		_ = p.pc.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	_ = p.send(ctx, message{Type: "leave"})
	_ = p.socket.Close(websocket.StatusNormalClosure, "")
}

func (p *peer) send(ctx context.Context, m message) error {
	m.Room, m.From = p.room, p.id
	return wsjson.Write(ctx, p.socket, m)
}

// read returns the next message; an error of the server is one here too, but for one about
// a report.
func (p *peer) read(ctx context.Context) (m message, err error) {
	for {
		m = message{}
		if err = wsjson.Read(ctx, p.socket, &m); err != nil {
			return m, err
		}
		p.received++
		switch {
		case m.Type != "error":
			return m, nil
		case m.Re != "report":
			return m, fmt.Errorf("the server answered %s: %s", m.Code, m.Error)
		}
	}
}

// trickle sends candidates as they are gathered. none is called when all are and there are
// none.
func (p *peer) trickle(ctx context.Context, to string, none func()) {
	found := false // pion calls one at a time
	p.pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		switch {
		case c != nil:
			found = true
			init := c.ToJSON()
			_ = p.send(ctx, message{Type: "candidate", To: to, Candidate: &init})
		case !found:
			none()
		}
	})
}

// describe sets the other's description, and the candidates that came before it.
func (p *peer) describe(kind webrtc.SDPType, sdp string) error {
	if err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: kind, SDP: sdp}); err != nil {
		return err
	}
	for _, c := range p.waiting {
		if err := p.pc.AddICECandidate(c); err != nil {
			return err
		}
	}
	p.waiting = nil
	return nil
}

// candidate takes a candidate of the other.
func (p *peer) candidate(c *webrtc.ICECandidateInit) error {
	switch {
	case c == nil:
		return nil
	case p.pc.RemoteDescription() == nil:
		p.waiting = append(p.waiting, *c)
		return nil
	}
	return p.pc.AddICECandidate(*c)
}

// answerCalls answers an offer and sends back what comes on its data channel.
func (p *peer) answerCalls(ctx context.Context) {
	caller := ""
	p.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateConnected {
			path, protocol := p.path()
			p.report(ctx, caller, map[string]any{"outcome": "connected", "path": path, "protocol": protocol})
		}
	})
	p.pc.OnDataChannel(func(d *webrtc.DataChannel) {
		d.OnMessage(func(m webrtc.DataChannelMessage) { _ = d.Send(m.Data) })
	})
	for {
		m, err := p.read(ctx)
		if err != nil {
			return
		}
		switch m.Type {
		case "candidate":
			err = p.candidate(m.Candidate)
		case "offer":
			switch p.kind {
			case Unanswered:
				continue
			case Declined:
				_ = p.send(ctx, message{Type: "hangup", To: m.From})
				p.report(ctx, m.From, map[string]any{"outcome": "declined"})
				continue
			}
			caller = m.From
			p.trickle(ctx, m.From, func() {})
			if err = p.describe(webrtc.SDPTypeOffer, m.SDP); err != nil {
				return
			}
			var answer webrtc.SessionDescription
			if answer, err = p.pc.CreateAnswer(nil); err == nil {
				// The answer goes first: candidates before it would only wait.
				if err = p.send(ctx, message{Type: "answer", To: m.From, SDP: answer.SDP}); err == nil {
					err = p.pc.SetLocalDescription(answer)
				}
			}
		}
		if err != nil {
			return
		}
	}
}

// Echoes of a pair.
const (
	echoes    = 10
	echoBytes = 1000
)

var errEcho = errors.New("a message came back changed")

// call makes an offer with a data channel, and returns once the echoes have come
// back, or why they do not.
func (p *peer) call(ctx context.Context, m *marks, to string) error {
	failed := make(chan error, 8)
	fail := func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
	done := make(chan struct{})
	p.follow(m, fail)
	d, err := p.pc.CreateDataChannel("soak", nil)
	if err != nil {
		return err
	}
	p.echo(d, m, fail, done)
	p.trickle(ctx, to, func() { fail(errNoCandidate) })
	offer, err := p.pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	m.mark(offered)
	if err := p.send(ctx, message{Type: "offer", To: to, SDP: offer.SDP}); err != nil {
		return err
	}
	if err := p.pc.SetLocalDescription(offer); err != nil {
		return err
	}
	go func() {
		defer close(p.idle)
		fail(p.signaling(ctx, m))
	}()
	var givesUp <-chan time.Time // never, unless there is to be no answer
	if p.kind == Unanswered {
		givesUp = time.After(ringTime)
	}
	select {
	case <-done:
		return nil
	case <-givesUp:
		return errUnanswered
	case err := <-failed:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// follow marks when the connection is up, and says if it fails.
func (p *peer) follow(m *marks, fail func(error)) {
	p.pc.OnICEConnectionStateChange(func(s webrtc.ICEConnectionState) {
		switch s {
		case webrtc.ICEConnectionStateConnected:
			m.mark(iceUp)
		case webrtc.ICEConnectionStateFailed:
			fail(errors.New("failed"))
		}
	})
	p.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		switch s {
		case webrtc.PeerConnectionStateConnected:
			m.mark(connected)
		case webrtc.PeerConnectionStateFailed:
			fail(errors.New("the connection failed"))
		}
	})
}

// echo sends messages on the channel and compares what comes back.
func (p *peer) echo(d *webrtc.DataChannel, m *marks, fail func(error), done chan struct{}) {
	var sent [][]byte
	for range echoes {
		b := make([]byte, echoBytes)
		_, _ = rand.Read(b)
		sent = append(sent, b)
	}
	d.OnOpen(func() {
		m.mark(opened)
		for _, b := range sent {
			if err := d.Send(b); err != nil {
				fail(err)
			}
		}
	})
	d.OnMessage(func(msg webrtc.DataChannelMessage) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.echoes >= len(sent) || !bytes.Equal(msg.Data, sent[m.echoes]) {
			fail(errEcho)
			return
		}
		if m.echoes++; m.echoes == len(sent) {
			m.relayed = p.relayed()
			close(done)
		}
	})
}

// relayed reports whether the pair of candidates in use goes through TURN.
func (p *peer) relayed() bool {
	pair, err := p.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
	if err != nil || pair == nil {
		return false
	}
	return pair.Local.Typ == webrtc.ICECandidateTypeRelay || pair.Remote.Typ == webrtc.ICECandidateTypeRelay
}

// signaling takes the answer and the other's candidates, until that fails.
func (p *peer) signaling(ctx context.Context, m *marks) error {
	for {
		in, err := p.read(ctx)
		if err != nil {
			return err
		}
		switch in.Type {
		case "answer":
			m.mark(answered)
			err = p.describe(webrtc.SDPTypeAnswer, in.SDP)
		case "candidate":
			err = p.candidate(in.Candidate)
		case "hangup":
			err = errDeclined
		}
		if err != nil {
			return err
		}
	}
}

// UnmarshalJSON takes urls as one string too.
func (s *iceServer) UnmarshalJSON(text []byte) error {
	var in struct {
		URLs       json.RawMessage `json:"urls"`
		Username   string          `json:"username"`
		Credential string          `json:"credential"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	s.Username, s.Credential = in.Username, in.Credential
	var one string
	if json.Unmarshal(in.URLs, &one) == nil {
		s.URLs = []string{one}
		return nil
	}
	return json.Unmarshal(in.URLs, &s.URLs)
}
