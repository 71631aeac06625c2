package doctor

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// foreignOrigin is one that nobody has.
const foreignOrigin = "https://doctor.invalid"

// checkSockets makes all checks that need a WebSocket, and those of the ICE servers that
// are handed out over it.
func (v *visit) checkSockets(ctx context.Context) {
	s, ok := v.checkUpgrade(ctx)
	if !ok {
		v.skip("there is no WebSocket", CheckJoin, CheckPings, CheckMessages, CheckICE, CheckSTUN, CheckTURNUDP, CheckTURNTCP, CheckTURNTLS, CheckQuiet)
		return
	}
	joined, ok := v.checkJoin(ctx, s)
	quiet := make(chan Finding, 1)
	go func() { quiet <- v.watchQuiet(ctx, ok) }()
	v.checkPings(ctx, s)
	if ok {
		v.checkMessages(ctx, s, joined)
	}
	s.close()
	if ok {
		v.ice = joined.ICEServers
		v.checkICE(ctx)
	} else {
		v.skip("nobody could join", CheckMessages, CheckICE, CheckSTUN, CheckTURNUDP, CheckTURNTCP, CheckTURNTLS)
	}
	v.report(<-quiet)
}

// socket is a WebSocket that is read all the time.
type socket struct {
	*websocket.Conn

	messages chan []byte   // that came; those nobody waits for are dropped
	ended    chan struct{} // closed when no more can come
	err      error         // why; set before ended is closed

	mu     sync.Mutex
	pinged time.Time // when the server's first ping came; guarded by mu
}

// open connects with an origin. The response is nil if there was none.
func (v *visit) open(ctx context.Context, origin string) (*socket, *http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, v.Timeout)
	defer cancel()
	s := &socket{messages: make(chan []byte, 64), ended: make(chan struct{})}
	url := "ws" + strings.TrimPrefix(v.base.String(), "http") + "ws"
	conn, response, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient: v.client(),
		HTTPHeader: http.Header{"Origin": {origin}},
		OnPingReceived: func(context.Context, []byte) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.pinged.IsZero() {
				s.pinged = time.Now()
			}
			return true
		},
	})
	if err != nil {
		return nil, response, err
	}
	conn.SetReadLimit(-1)
	s.Conn = conn
	go s.read()
	return s, response, nil
}

func (s *socket) read() {
	for {
		_, text, err := s.Conn.Read(context.Background())
		if err != nil {
			s.err = err
			close(s.ended)
			return
		}
		select {
		case s.messages <- text:
		default:
		}
	}
}

func (s *socket) close() {
	_ = s.Close(websocket.StatusNormalClosure, "")
	<-s.ended
}

// await returns the next message for which is says so.
func (s *socket) await(ctx context.Context, is func(text []byte) bool) ([]byte, error) {
	for {
		select {
		case text := <-s.messages:
			if is(text) {
				return text, nil
			}
		case <-s.ended:
			return nil, s.err
		case <-ctx.Done():
			return nil, errors.New("no answer in time")
		}
	}
}

// checkUpgrade connects as the page does, and as a page elsewhere.
func (v *visit) checkUpgrade(ctx context.Context) (*socket, bool) {
	s, response, err := v.open(ctx, v.Origin)
	if err != nil {
		check, reason, advice := CheckWebSocket, "", ""
		if response == nil {
			reason, advice = err.Error(), "See that the daemon or its proxy runs."
		} else {
			body, _ := io.ReadAll(io.LimitReader(response.Body, 200))
			reason = strings.TrimSpace(response.Status + ": " + strings.TrimSpace(firstLine(string(body))))
			check, advice = refusal(response.StatusCode)
			if response.StatusCode == http.StatusBadRequest && strings.Contains(string(body), "to an HTTPS server") {
				advice = "Give the URL with https://." // the words are those of net/http
			}
		}
		v.found(check, Problem, advice, "the connection was refused: %s", reason)
		if check == CheckOrigin {
			v.skip("the origin was refused", CheckWebSocket)
		} else {
			v.skip("there is no WebSocket", CheckOrigin)
		}
		return nil, false
	}
	v.found(CheckWebSocket, OK, "", "the WebSocket opens at %sws", v.base)
	foreign, response, err := v.open(ctx, foreignOrigin)
	switch {
	case err == nil:
		foreign.close()
		v.found(CheckOrigin, Warning, "Name the pages that may connect with --allow-origin, unless tokens protect the rooms. A proxy must not remove the Origin header.",
			"pages of %s may connect, and so may all others", v.Origin)
	case response != nil && response.StatusCode == http.StatusForbidden:
		v.found(CheckOrigin, OK, "", "pages of %s may connect, others may not", v.Origin)
	default:
		v.found(CheckOrigin, Warning, "", "a page elsewhere is refused in another way than expected: %v", err)
	}
	return s, true
}

// refusal says what the status of a refused upgrade means.
func refusal(status int) (check, advice string) {
	switch status {
	case http.StatusForbidden:
		return CheckOrigin, "The proxy must pass the Host header on unchanged; pages under another name are named with --allow-origin."
	case http.StatusUpgradeRequired, http.StatusBadRequest, http.StatusMethodNotAllowed:
		return CheckWebSocket, "The proxy must pass the upgrade on: in nginx proxy_http_version 1.1 and the headers Upgrade and Connection."
	case http.StatusTooManyRequests:
		return CheckWebSocket, "A limit for each address is reached. Behind a proxy, name it with --trusted-proxy."
	case http.StatusServiceUnavailable:
		return CheckWebSocket, "The daemon is draining, or --max-connections is reached."
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return CheckWebSocket, "The proxy does not reach the daemon: compare its target with --listen."
	}
	return CheckWebSocket, "Something else answers at this path: have the proxy pass /ws on to the daemon, or give the URL with the path of --base-path."
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	if strings.HasPrefix(strings.TrimSpace(line), "<") {
		return "" // a page
	}
	return line
}

// answer is what is read of the server's messages.
type answer struct {
	Type       string
	From       string
	Code       string
	Error      string
	ICEServers []iceServer `json:"ice_servers"`
	Limits     struct {
		MessageBytes int `json:"message_bytes"`
	}
}

// join enters the room. The error of a join that the server has refused is a refused.
func (v *visit) join(ctx context.Context, s *socket) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, v.Timeout)
	defer cancel()
	room := v.Room
	if room == "" {
		room = "doctor-" + rand.Text()
	}
	text, err := json.Marshal(struct {
		Type     string `json:"type"`
		Room     string `json:"room"`
		Token    string `json:"token,omitempty"`
		Passcode string `json:"passcode,omitempty"`
	}{"join", room, v.Token, v.Passcode})
	if err != nil {
		return answer{}, err
	}
	if err := s.Write(ctx, websocket.MessageText, text); err != nil {
		return answer{}, err
	}
	var a answer
	_, err = s.await(ctx, func(text []byte) bool {
		a = answer{}
		return json.Unmarshal(text, &a) == nil && (a.Type == "joined" || a.Type == "error")
	})
	if err == nil && a.Type == "error" {
		err = &refused{a.Code, a.Error}
	}
	return a, err
}

// refused is the server's error.
type refused struct{ code, text string }

func (r *refused) Error() string { return r.code + ": " + r.text }

func (v *visit) checkJoin(ctx context.Context, s *socket) (answer, bool) {
	a, err := v.join(ctx, s)
	var r *refused
	switch {
	case errors.As(err, &r) && r.code == "unauthorized":
		v.found(CheckJoin, Skipped, "Pass a token with --token (see parleyd token) or a passcode with --passcode.", "the server lets nobody in: %v", r)
	case errors.As(err, &r):
		v.found(CheckJoin, Problem, "The error says why; PROTOCOL.md has all codes.", "the join was refused: %v", r)
	case err != nil:
		v.found(CheckJoin, Problem, "A proxy may let only the handshake through, or something else than parleyd answers: see the daemon's log.", "the join was not answered: %v", err)
	default:
		v.found(CheckJoin, OK, "", "a room can be joined")
		return a, true
	}
	return a, false
}

func (v *visit) checkPings(ctx context.Context, s *socket) {
	ctx, cancel := context.WithTimeout(ctx, v.Timeout)
	defer cancel()
	start := time.Now()
	if err := s.Ping(ctx); err != nil {
		v.found(CheckPings, Problem, "Something in between swallows WebSocket control frames: without them the server takes clients for gone.",
			"a ping was not answered: %v", err)
		return
	}
	v.found(CheckPings, OK, "", "a ping was answered after %s", time.Since(start).Round(100*time.Microsecond))
}
