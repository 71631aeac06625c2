package e2e

import (
	"context"
	"encoding/json"
	"strings"

	"testing"

	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
	"github.com/pion/webrtc/v4"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/certificate"
	"github.com/parley-rtc/parley/test/internal/parleyd"
	"github.com/parley-rtc/parley/test/internal/process"
)

// Two Chromiums that may use nothing else call each other through the TURN server
// in the daemon, over UDP and over TCP.
func TestEmbeddedTURN(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			d := parleyd.Start(t, "--turn-listen", "127.0.0.1:0")
			only := `{
  const before = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends before {
    constructor(c) { super({ ...c, iceServers: c.iceServers.map(s => ({ ...s, urls: s.urls.filter(u => u.endsWith("` + transport + `")) })) }); }
  };
}`
			b := browser.Start(t)
			ann := open(t, b, "Ann", "http://"+d.Address+"/#garden", relayOnly, only)
			bob := open(t, b, "Bob", "http://"+d.Address+"/#garden", relayOnly, only)
			ann.meet("garden")
			bob.meet("garden")
			ann.sees(1)
			bob.sees(1)
			d.Wait(t, "relay opened")
			if _, metrics := parleyd.Get(t, d.Admin, "/metrics"); strings.Contains(metrics, `parley_turn_bytes_total{direction="to_peers"} 0`) {
				t.Error("nothing went through the relay")
			}
		})
	}
}

// Two Chromiums in networks that let only the page's own port out call each other
// through it: TURN over TLS is beside the page.
func TestTURNBesideThePage(t *testing.T) {
	pair := certificate.New(t, t.TempDir())
	port := process.FreePort(t)
	d := parleyd.StartAt(t, "127.0.0.1:"+port, "--tls-cert", pair.CertFile, "--tls-key", pair.KeyFile,
		"--turn-tls-listen", "127.0.0.1:"+port, "--turn-public-ip", "127.0.0.1", "--turn-host", "localhost")
	b := browser.Start(t, chromedp.Flag("ignore-certificate-errors-spki-list", pair.Hash(t)))
	ann := open(t, b, "Ann", "https://localhost:"+port+"/#garden", relayOnly)
	bob := open(t, b, "Bob", "https://localhost:"+port+"/#garden", relayOnly)
	ann.meet("garden")
	bob.meet("garden")
	ann.sees(1)
	bob.sees(1)
	d.Wait(t, "relay opened")
	if urls, _ := d.Wait(t, "start")["turn"].([]any); len(urls) != 1 || urls[0] != "turns:localhost:"+port+"?transport=tcp" {
		t.Errorf("the TURN server is at %v", urls)
	}
}

// caller is a peer that is no browser: pion, through the TURN server alone.
type caller struct {
	t    *testing.T
	ctx  context.Context
	conn *websocket.Conn
	pc   *webrtc.PeerConnection

	early    []webrtc.ICECandidateInit // before the answer
	answered bool
}

type signal struct {
	Type       string                   `json:"type"`
	Room       string                   `json:"room,omitempty"`
	From       string                   `json:"from,omitempty"`
	To         string                   `json:"to,omitempty"`
	SDP        string                   `json:"sdp,omitempty"`
	Candidate  *webrtc.ICECandidateInit `json:"candidate,omitempty"`
	Members    []string                 `json:"members,omitempty"`
	ICEServers []struct {
		URLs                 []string
		Username, Credential string
	} `json:"ice_servers,omitempty"`
}

func (c *caller) send(s signal) {
	text, err := json.Marshal(s)
	if err == nil {
		err = c.conn.Write(c.ctx, websocket.MessageText, text)
	}
	if err != nil && c.ctx.Err() == nil {
		c.t.Error(err)
	}
}

func (c *caller) next() (s signal) {
	_, text, err := c.conn.Read(c.ctx)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// Chromium and pion, both through the daemon's TURN server alone: data goes there
// and the picture comes.
func TestEmbeddedTURNWithPion(t *testing.T) {
	d := parleyd.Start(t, "--turn-listen", "127.0.0.1:0")
	ann := open(t, browser.Start(t), "Ann", "http://"+d.Address+"/#garden", relayOnly)
	ann.join("garden")

	ctx, cancel := context.WithTimeout(t.Context(), 2*parleyd.Patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws://"+d.Address+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	conn.SetReadLimit(-1)
	c := &caller{t: t, ctx: ctx, conn: conn}
	c.send(signal{Type: "join", Room: "garden", From: "pion"})
	joined := c.next()
	other := ""
	for _, id := range c.next().Members {
		if id != "pion" {
			other = id
		}
	}
	var servers []webrtc.ICEServer
	for _, s := range joined.ICEServers {
		servers = append(servers, webrtc.ICEServer{URLs: s.URLs, Username: s.Username, Credential: s.Credential})
	}
	if c.pc, err = webrtc.NewPeerConnection(webrtc.Configuration{ICEServers: servers, ICETransportPolicy: webrtc.ICETransportPolicyRelay}); err != nil {
		t.Fatal(err)
	}
	defer c.pc.Close()
	came := make(chan struct{})
	c.pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		if track.Kind() != webrtc.RTPCodecTypeVideo {
			return
		}
		for range 20 {
			if _, _, err := track.ReadRTP(); err != nil {
				return
			}
		}
		close(came)
	})
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
		if _, err := c.pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
			t.Fatal(err)
		}
	}
	c.call(other)
	ann.until("pion rings", `!document.querySelector("#incoming").hidden`)
	ann.click("#accept")
	select {
	case <-came:
	case <-ctx.Done():
		t.Fatal("no picture came through the relay")
	}
	pair, err := c.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
	if err != nil || pair.Local.Typ != webrtc.ICECandidateTypeRelay {
		t.Errorf("the pair is %v %v", pair, err)
	}
	cancel()
	_ = conn.CloseNow()
}

// call offers to a member, and takes its answer and candidates in the background.
func (c *caller) call(to string) {
	c.pc.OnICECandidate(func(found *webrtc.ICECandidate) {
		if found != nil {
			init := found.ToJSON()
			c.send(signal{Type: "candidate", To: to, Candidate: &init})
		}
	})
	if _, err := c.pc.CreateDataChannel("data", nil); err != nil {
		c.t.Fatal(err)
	}
	offer, err := c.pc.CreateOffer(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(signal{Type: "offer", To: to, SDP: offer.SDP})
	if err := c.pc.SetLocalDescription(offer); err != nil {
		c.t.Fatal(err)
	}
	go func() {
		for {
			_, text, err := c.conn.Read(c.ctx)
			if err != nil {
				return
			}
			var s signal
			if json.Unmarshal(text, &s) == nil {
				c.take(s)
			}
		}
	}()
}

func (c *caller) take(s signal) {
	switch s.Type {
	case "answer":
		if err := c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: s.SDP}); err != nil {
			c.t.Error(err)
		}
		c.answered = true
		for _, candidate := range c.early {
			_ = c.pc.AddICECandidate(candidate)
		}
	case "candidate":
		if s.Candidate == nil || s.Candidate.Candidate == "" {
			return
		}
		if !c.answered {
			c.early = append(c.early, *s.Candidate)
			return
		}
		_ = c.pc.AddICECandidate(*s.Candidate)
	}
}
