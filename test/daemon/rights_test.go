package daemon

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

const authSecret = "the secret of these tests, longer than thirty-two bytes"

func secretFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	write(t, path, []byte(authSecret+"\n"))
	return path
}

// output runs the built command, which must succeed, and returns what it says.
func output(t *testing.T, args ...string) string {
	t.Helper()
	out, err := parleyd.Command(args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if e, ok := err.(*exec.ExitError); ok {
			exit = e
			t.Fatalf("parleyd %q: %v: %s", args, err, exit.Stderr)
		}
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// mint makes a token with the command that comes with the daemon.
func mint(t *testing.T, file string, args ...string) string {
	t.Helper()
	return output(t, append([]string{"token", "--auth-secret-file", file}, args...)...)
}

func signed(t *testing.T, method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	t.Helper()
	text, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// joinWith asks to join and returns the answer.
func (c *client) joinWith(fields string) message {
	c.t.Helper()
	c.send(`{"type":"join",%s}`, fields)
	return c.until(func(m message) bool { return m.Type == "joined" || m.Type == "error" })
}

// wantCode reads on to the next error, which must have this code.
func (c *client) wantCode(code string) message {
	c.t.Helper()
	m := c.until(func(m message) bool { return m.Type == "error" })
	if m.Code != code {
		c.t.Errorf("got %+v, want %s", m, code)
	}
	return m
}

func TestTokens(t *testing.T) {
	file := secretFile(t)
	d := parleyd.Start(t, "--auth-secret-file", file, "--auth-issuer", "", "--log-level", "debug")
	now := time.Now().Unix()
	hs := func(claims jwt.MapClaims) string {
		return signed(t, jwt.SigningMethodHS256, []byte(authSecret), claims)
	}
	_, ed, _ := ed25519.GenerateKey(nil)
	ann := mint(t, file, "--room", "r", "--sub", "ann", "--name", "Ann", "--ttl", "1h")
	var given []string
	for _, c := range []struct {
		name, token, fields, want string
	}{
		{"good", ann, `"room":"r"`, "joined"},
		{"with the id", ann, `"room":"r","from":"ann","name":"Other"`, "joined"},
		{"other id", ann, `"room":"r","from":"bob"`, "forbidden"},
		{"other room", ann, `"room":"s"`, "forbidden"},
		{"prefix", hs(jwt.MapClaims{"exp": now + 60, "room": []string{"x", "te*"}}), `"room":"team"`, "joined"},
		{"none", "", `"room":"r"`, "unauthorized"},
		{"no algorithm", signed(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, jwt.MapClaims{"exp": now + 60}), `"room":"r"`, "unauthorized"},
		{"swapped algorithm", signed(t, jwt.SigningMethodEdDSA, ed, jwt.MapClaims{"exp": now + 60}), `"room":"r"`, "unauthorized"},
		{"wrong key", signed(t, jwt.SigningMethodHS256, []byte("x"+authSecret), jwt.MapClaims{"exp": now + 60}), `"room":"r"`, "unauthorized"},
		{"expired", hs(jwt.MapClaims{"exp": now - 60}), `"room":"r"`, "unauthorized"},
		{"not yet valid", hs(jwt.MapClaims{"exp": now + 600, "nbf": now + 300}), `"room":"r"`, "unauthorized"},
		{"no exp", hs(jwt.MapClaims{"sub": "ann"}), `"room":"r"`, "unauthorized"},
		{"huge", hs(jwt.MapClaims{"exp": now + 60, "x": strings.Repeat("x", 40_000)}), `"room":"r"`, "unauthorized"},
		{"malformed", "x.y.z", `"room":"r"`, "unauthorized"},
		{"tampered", strings.Replace(ann, ".", ".e30", 1), `"room":"r"`, "unauthorized"},
	} {
		c2 := connect(t, d)
		fields := c.fields
		if c.token != "" {
			fields += fmt.Sprintf(`,"token":%q`, c.token)
			if len(c.token) > 40 && len(c.token) < 4000 {
				given = append(given, c.token[len(c.token)-20:])
			}
		}
		m := c2.joinWith(fields)
		if got := m.Type; got != c.want && m.Code != c.want {
			t.Errorf("%s: got %+v, want %s", c.name, m, c.want)
		}
		if m.Type == "joined" && c.token == ann && m.From != "ann" {
			t.Errorf("%s: joined as %q", c.name, m.From)
		}
		c2.send(`{"type":"leave"}`)
		c2.send(`{"type":"ping"}`)
		c2.until(func(m message) bool { return m.Type == "pong" })
	}
	for _, text := range d.Texts() {
		for _, end := range given {
			if strings.Contains(text, end) {
				t.Errorf("a token was logged: %s", text)
			}
		}
	}
}

// The nickname comes with the token, and what may be sent is by its rights.
func TestRights(t *testing.T) {
	file := secretFile(t)
	d := parleyd.Start(t, "--auth-secret-file", file, "--auth-optional")
	talks := mint(t, file, "--sub", "talks", "--name", "Tara", "--rights", "message")
	guest, speaker := connect(t, d), connect(t, d)
	guest.join("r", "guest")
	if m := speaker.joinWith(fmt.Sprintf(`"room":"r","name":"Mallory","token":%q`, talks)); m.From != "talks" {
		t.Fatalf("got %+v", m)
	}
	guest.until(func(m message) bool { return m.Names["talks"] == "Tara" })
	speaker.send(`{"type":"rename","name":"Mallory"}`)
	speaker.wantCode("forbidden")
	speaker.send(`{"type":"offer","to":"guest","sdp":"v=0"}`)
	speaker.wantCode("forbidden")
	speaker.send(`{"type":"lock"}`)
	speaker.wantCode("forbidden")
	speaker.send(`{"type":"message","data":1}`)
	guest.until(func(m message) bool { return m.Type == "message" && m.From == "talks" })
	bad := connect(t, d)
	if m := bad.joinWith(`"room":"r","token":"x"`); m.Code != "unauthorized" {
		t.Errorf("a bad token where none is needed: %+v", m)
	}
}

func TestModeration(t *testing.T) {
	file := secretFile(t)
	d := parleyd.Start(t, "--auth-secret-file", file, "--auth-optional", "--kick-ban", "2s")
	moderator := mint(t, file, "--room", "r", "--sub", "mod", "--rights", "send,message,moderate")
	mod, bad, other := connect(t, d), connect(t, d), connect(t, d)
	mod.joinWith(fmt.Sprintf(`"room":"r","token":%q`, moderator))
	bad.join("r", "bad")
	other.join("r", "other")
	mod.send(`{"type":"lock"}`)
	other.until(func(m message) bool { return m.Type == "room_members" && m.Locked })
	late := connect(t, d)
	if m := late.joinWith(`"room":"r","from":"late"`); m.Code != "room_locked" {
		t.Errorf("into a locked room: %+v", m)
	}
	mod.send(`{"type":"kick","to":"bad"}`)
	bad.wantClose(4002)
	other.until(func(m message) bool { return m.Type == "room_members" && len(m.Members) == 2 })
	mod.send(`{"type":"unlock"}`)
	other.until(func(m message) bool { return m.Type == "room_members" && !m.Locked })
	if m := late.joinWith(`"room":"r","from":"bad"`); m.Code != "forbidden" {
		t.Errorf("a kicked member at once: %+v", m)
	}
	if m := late.joinWith(`"room":"r","from":"late"`); m.Type != "joined" {
		t.Errorf("into an unlocked room: %+v", m)
	}
	for deadline := time.Now().Add(parleyd.Patience); ; time.Sleep(100 * time.Millisecond) {
		if m := connect(t, d).joinWith(`"room":"r","from":"bad"`); m.Type == "joined" {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("a kicked member never comes back: %+v", m)
		}
	}
	d.Wait(t, "kick", "room", "r", "id", "bad", "by", "mod")
	d.Wait(t, "lock", "room", "r", "by", "mod")
	d.Wait(t, "leave", "id", "bad", "reason", "kicked")
}

// A token that runs out ends the connection, unless another came in time.
func TestTokenRunsOut(t *testing.T) {
	file := secretFile(t)
	d := parleyd.Start(t, "--auth-secret-file", file)
	others := []struct{ token, want string }{
		{mint(t, file, "--sub", "lazy"), "forbidden"},
		{mint(t, file, "--sub", "diligent", "--room", "s"), "forbidden"},
		{"x", "unauthorized"},
	}
	next := mint(t, file, "--sub", "diligent", "--room", "r")
	lazy, diligent := connect(t, d), connect(t, d)
	// Within the leeway of 30 s, with some of it left.
	brief := func(sub string) string {
		return signed(t, jwt.SigningMethodHS256, []byte(authSecret), jwt.MapClaims{"sub": sub, "exp": time.Now().Unix() - 22})
	}
	lazy.joinWith(fmt.Sprintf(`"room":"r","token":%q`, brief("lazy")))
	diligent.joinWith(fmt.Sprintf(`"room":"r","token":%q`, brief("diligent")))
	for _, c := range others {
		diligent.send(`{"type":"token","token":%q}`, c.token)
		if m := diligent.wantCode(c.want); m.Re != "token" {
			t.Errorf("%+v", m)
		}
	}
	diligent.send(`{"type":"token","token":%q,"ref":"7"}`, next)
	m := diligent.until(func(m message) bool { return m.Type == "token" })
	if expires, err := time.Parse(time.RFC3339, m.Expires); err != nil || time.Until(expires) < 50*time.Minute || m.Ref != "7" {
		t.Errorf("got %+v", m)
	}
	lazy.wantClose(4008)
	diligent.until(func(m message) bool { return m.Type == "room_members" && len(m.Members) == 1 })
	diligent.send(`{"type":"ping"}`)
	diligent.until(func(m message) bool { return m.Type == "pong" })
	d.Wait(t, "leave", "id", "lazy", "reason", "token_expired")
}

// A JWKS behind a URL: keys change in flight, and the URL may go away.
func TestJWKS(t *testing.T) {
	var keys atomic.Value
	var down atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = w.Write([]byte(keys.Load().(string)))
	}))
	defer server.Close()
	public1, private1, _ := ed25519.GenerateKey(nil)
	public2, private2, _ := ed25519.GenerateKey(nil)
	set := func(all map[string]ed25519.PublicKey) {
		var list []map[string]string
		for kid, k := range all {
			list = append(list, map[string]string{"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": base64.RawURLEncoding.EncodeToString(k)})
		}
		text, _ := json.Marshal(map[string]any{"keys": list})
		keys.Store(string(text))
	}
	token := func(kid string, key ed25519.PrivateKey) string {
		tk := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{"exp": time.Now().Add(time.Minute).Unix()})
		tk.Header["kid"] = kid
		text, err := tk.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	set(map[string]ed25519.PublicKey{"1": public1})
	d := parleyd.Start(t, "--auth-jwks", server.URL, "--auth-jwks-refresh", "2s")
	d.Wait(t, "keys reloaded")
	joins := func(text string) bool {
		return connect(t, d).joinWith(fmt.Sprintf(`"room":"r","token":%q`, text)).Type == "joined"
	}
	eventually := func(what string, is func() bool) {
		t.Helper()
		for deadline := time.Now().Add(parleyd.Patience); !is(); time.Sleep(100 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal(what)
			}
		}
	}
	if !joins(token("1", private1)) || joins(token("2", private2)) || joins(token("1", private2)) {
		t.Error("the first key is not what counts")
	}
	set(map[string]ed25519.PublicKey{"1": public1, "2": public2})
	eventually("the second key is not taken", func() bool { return joins(token("2", private2)) })
	if !joins(token("1", private1)) {
		t.Error("the first key is no more good beside the second")
	}
	set(map[string]ed25519.PublicKey{"2": public2})
	eventually("the first key stays good", func() bool { return !joins(token("1", private1)) })
	down.Store(true)
	d.Wait(t, "keys not reloaded")
	if !joins(token("2", private2)) {
		t.Error("the second key is not good while the URL is down")
	}
}

func TestShortSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	write(t, path, []byte("thirty-one bytes are not enough"))
	out, err := parleyd.Command("--auth-secret-file", path).CombinedOutput()
	if err == nil || strings.Count(string(out), "\n") != 1 || !strings.Contains(string(out), "auth-secret-file") {
		t.Errorf("%v: %s", err, out)
	}
}

// Rooms can have rules of their own: a capacity, a passcode.
func TestRoomRules(t *testing.T) {
	passcode := parleyd.Command("passcode")
	passcode.Stdin = strings.NewReader("let me in\n")
	hash, err := passcode.Output()
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "parley.yaml")
	write(t, config, fmt.Appendf(nil, "rooms:\n  board:\n    passcode: %s\n    max-members: 2\n  pair-*: {max-members: 2}\n",
		strings.TrimSpace(string(hash))))
	d := parleyd.Start(t, "--config", config)
	for i, c := range []struct{ fields, want string }{
		{`"room":"board"`, "unauthorized"},
		{`"room":"board","passcode":"let me out"`, "unauthorized"},
		{`"room":"board","passcode":7`, "bad_message"},
		{`"room":"board","passcode":"let me in"`, "joined"},
		{`"room":"board","passcode":"let me in"`, "joined"},
		{`"room":"board","passcode":"let me in"`, "room_full"},
		{`"room":"pair-1"`, "joined"}, {`"room":"pair-1"`, "joined"}, {`"room":"pair-1"`, "room_full"},
		{`"room":"other"`, "joined"},
	} {
		m := connect(t, d).joinWith(c.fields)
		if m.Type != c.want && m.Code != c.want {
			t.Errorf("%d: got %+v, want %s", i, m, c.want)
		}
		if c.want == "unauthorized" && m.Needs != "passcode" {
			t.Errorf("%d: what is needed is not said: %+v", i, m)
		}
	}
	guesser := connect(t, d)
	limited := false
	for i := range 20 {
		m := guesser.joinWith(fmt.Sprintf(`"room":"board","passcode":"%d"`, i))
		limited = limited || m.Code == "rate_limited"
	}
	if !limited {
		t.Error("twenty wrong passcodes were looked at")
	}
	for _, text := range d.Texts() {
		if strings.Contains(text, "let me") {
			t.Errorf("a passcode was logged: %s", text)
		}
	}
}

// A session lost by its connection keeps its rights, and a renewed token.
func TestResumeKeepsRights(t *testing.T) {
	file := secretFile(t)
	d := parleyd.Start(t, "--auth-secret-file", file)
	first := connect(t, d)
	joined := first.joinWith(fmt.Sprintf(`"room":"r","resumable":true,"token":%q`, mint(t, file, "--sub", "mod", "--rights", "moderate")))
	_ = first.conn.CloseNow()
	d.Wait(t, "suspended", "id", "mod")
	second := connect(t, d)
	second.send(`{"type":"resume","session":%q,"received":1}`, joined.Session)
	second.until(func(m message) bool { return m.Type == "resumed" })
	second.send(`{"type":"lock"}`)
	second.until(func(m message) bool { return m.Type == "room_members" && m.Locked })
	second.send(`{"type":"message","data":1}`)
	second.wantCode("forbidden")
	if err := second.conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
}
