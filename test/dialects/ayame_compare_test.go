package dialects

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/test/internal/parleyd"
	"github.com/parley-rtc/parley/test/internal/process"
)

// ayameAt is an Ayame server, or parleyd, where an exchange is played. Rooms have a suffix of the
// exchange there.
type ayameAt struct {
	t           *testing.T
	url, suffix string
	hooked      chan string // what its application was asked and told
}

// caller is a WebSocket to an Ayame server.
type caller struct {
	*ayameAt
	conn *websocket.Conn
}

var (
	generatedID = regexp.MustCompile(`"connectionId":"[0-9A-Z]{26}"`)
	clientIsID  = regexp.MustCompile(`"clientId":"[0-9A-Z]{26}"`)
)

// here takes away what differs from run to run.
func (a *ayameAt) here(text string) string {
	text = generatedID.ReplaceAllString(strings.ReplaceAll(text, a.suffix+`"`, `"`), `"connectionId":"…"`)
	return clientIsID.ReplaceAllString(text, `"clientId":"…"`)
}

func (a *ayameAt) dial() *caller {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), parleyd.Patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, a.url, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	c.SetReadLimit(-1)
	a.t.Cleanup(func() { _ = c.CloseNow() })
	return &caller{a, c}
}

// send sends a text in which the room r has its suffix.
func (c *caller) send(text string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), parleyd.Patience)
	defer cancel()
	// The other side may have ended the connection for an earlier one.
	_ = c.conn.Write(ctx, websocket.MessageText, []byte(strings.ReplaceAll(text, `"r"`, `"r`+c.suffix+`"`)))
}

// read returns the next message that is no ping, byte for byte but for ids, or the end of the
// connection. Answers to register come in one form.
func (c *caller) read() string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), parleyd.Patience)
	defer cancel()
	for {
		_, text, err := c.conn.Read(ctx)
		switch {
		case ctx.Err() != nil:
			c.t.Fatal("nothing comes")
		case err != nil:
			return fmt.Sprint("end ", int(websocket.CloseStatus(err)))
		case strings.Contains(string(text), `"type":"accept"`):
			return c.here(canonical(c.t, string(text)))
		case string(text) != `{"type":"ping"}`+"\n" && string(text) != `{"type":"ping"}`:
			return c.here(strings.TrimSuffix(string(text), "\n"))
		}
	}
}

// hook returns what the application was asked or told next.
func (a *ayameAt) hook() string {
	a.t.Helper()
	select {
	case q := <-a.hooked:
		return q
	case <-time.After(parleyd.Patience):
		a.t.Fatal("the application hears nothing")
		return ""
	}
}

const enterR = `{"type":"register","roomId":"r"}`

// enters is a client that has registered, and what it hears.
func (a *ayameAt) enters(text string) (c *caller, heard string) {
	a.t.Helper()
	c = a.dial()
	c.send(text)
	return c, c.read()
}

const metMark = `{"type":"candidate","ice":"met"}`

// pair are two clients in one room, of which the first knows of the second.
func (a *ayameAt) pair(more string) (one, two *caller) {
	a.t.Helper()
	text := strings.TrimSuffix(enterR, "}") + more + "}"
	one, _ = a.enters(text)
	two, _ = a.enters(text)
	two.send(metMark)
	if got := one.read(); got != metMark {
		a.t.Fatal(got)
	}
	return one, two
}

// ayameExchange is what clients of Ayame do, and what they hear.
type ayameExchange struct {
	name, answer string // of the application
	play         func(a *ayameAt) []string
	// ours is what clients hear of parleyd where it differs from Ayame, and why.
	ours []string
	why  string
}

// says plays one message of the second of two clients, with another behind it.
func ayameSays(text string) func(*ayameAt) []string {
	return func(a *ayameAt) (heard []string) {
		const last = `{"type":"candidate","ice":"last"}`
		one, two := a.pair("")
		two.send(text)
		two.send(last)
		for {
			got := one.read()
			if heard = append(heard, got); got == last || strings.HasPrefix(got, "end") {
				break
			}
		}
		if heard[len(heard)-1] != last {
			heard = append(heard, two.read())
		}
		return heard
	}
}

// ayameFirst plays the first message of a client, and what follows if that lets it in.
func ayameFirst(text string) func(*ayameAt) []string {
	return func(a *ayameAt) []string {
		c, heard := a.enters(text)
		if strings.HasPrefix(heard, "end") {
			return []string{heard}
		}
		c.send(`x`) // which ends it
		return []string{heard, c.read()}
	}
}

func ayameExchanges() []ayameExchange {
	var all []ayameExchange
	for _, text := range []string{
		`{"type":"offer","sdp":"v=0\r\n\u00e9é"}`, `{ "sdp":"x", "n": 1.50, "type":"answer" }`, `{"type":"candidate"}`, `{"type":"candidate","ice":null,"type":"candidate"}`,
		`{"type":"pong"}`, `{"type":"connected"}`, `{"type":"ping"}`, `{"type":"bye"}`, `{"type":"accept"}`, `{"type":"hello"}`, `{"type":""}`, `{"type":null}`,
		`{"type":7}`, `{}`, `[]`, `7`, `null`, `"offer"`, `{`, ``, `{"type":"offer"}x`, enterR, `{"type":"register","roomId":"other"}`, `{"type":"OFFER"}`,
		`{"type":"offer","type":"hello"}`,
	} {
		all = append(all, ayameExchange{name: "says " + text, play: ayameSays(text)})
	}
	for _, text := range []string{
		enterR, `{"type":"register"}`, `{"type":"register","roomId":""}`, `{"type":"register","roomId":7}`, `{"type":"register","roomId":null}`, `{"type":"offer","sdp":"x"}`,
		`{"type":"candidate"}`, `{"type":"connected"}`, `{"type":"register","roomId":"r","clientId":"ann","key":"k","authnMetadata":{"a":[1]},"more":1}`,
		`{"type":"register","roomId":"r","clientId":7}`, `{"type":"register","roomId":"r","key":7}`, `{"type":"register","roomId":"r","standalone":"yes"}`,
		`{"type":"register","roomId":"r","standalone":true}`, `x`,
	} {
		all = append(all, ayameExchange{name: "begins with " + text, play: ayameFirst(text)})
	}
	return append(append(all, ayameRooms()...), ayameWebhooks()...)
}

// ayameRooms are the exchanges in which clients come and go.
func ayameRooms() []ayameExchange {
	const nameless = "a room needs a name that can be shown, of at most 122 bytes"
	return []ayameExchange{
		{name: "two, and a third", play: func(a *ayameAt) []string {
			_, first := a.enters(enterR)
			_, second := a.enters(enterR)
			c, third := a.enters(enterR)
			return []string{first, second, third, c.read()}
		}},
		{name: "for nobody", play: func(a *ayameAt) []string {
			one, _ := a.enters(enterR)
			one.send(`{"type":"offer","sdp":"x"}`)
			two, heard := a.enters(enterR)
			two.send(metMark)
			one.read()
			one.send(`{"type":"candidate","ice":"last"}`)
			return []string{heard, two.read()}
		}},
		{name: "who stays is told, and the room is free", play: func(a *ayameAt) []string {
			one, two := a.pair("")
			_ = two.conn.Close(websocket.StatusNormalClosure, "")
			heard := []string{one.read(), one.read()}
			_, again := a.enters(enterR)
			return append(heard, again)
		}},
		{name: "who stays when the first goes", play: func(a *ayameAt) []string {
			one, two := a.pair("")
			_ = one.conn.CloseNow()
			return []string{two.read(), two.read()}
		}},
		{name: "standalone", play: func(a *ayameAt) []string {
			one, two := a.pair(`,"standalone":true`)
			two.send(`{"type":"connected"}`)
			return []string{two.read(), one.read()}
		}},
		{
			name: "a long room", play: ayameFirst(`{"type":"register","roomId":"` + strings.Repeat("x", 130) + `"}`),
			ours: []string{`{"type":"reject","reason":"invalid_room"}`, "end 1000"}, why: nameless,
		},
		{
			name: "a room with a control character", play: ayameFirst(`{"type":"register","roomId":"a\u0000"}`),
			ours: []string{`{"type":"reject","reason":"invalid_room"}`, "end 1000"}, why: nameless,
		},
		{
			name: "fields in capitals", play: ayameFirst(`{"Type":"register","roomId":"r"}`),
			ours: []string{"end 1000"}, why: "a field has one name",
		},
		{
			name: "a message of 100 kB", play: ayameSays(`{"type":"offer","sdp":"` + strings.Repeat("x", 100_000) + `"}`),
			ours: []string{`{"type":"bye"}`, "end 1000", "end 1009"}, why: "max-message-bytes bounds messages",
		},
	}
}

// ayameWebhooks are the exchanges in which the application decides.
func ayameWebhooks() []ayameExchange {
	const register = `{"type":"register","roomId":"r","clientId":"ann","key":"k","authnMetadata":{"a":[1]},"ayameClient":"x","libwebrtc":"y","environment":"z"}`
	var all []ayameExchange
	for _, answer := range []string{
		`{"allowed":true}`, `{"allowed":true,"authzMetadata":{"n":[1,null]},"iceServers":[{"urls":["stun:a","turn:b"],"username":"u","credential":"c"}]}`,
		`{"allowed":true,"iceServers":null,"authzMetadata":null,"reason":null}`, `{"allowed":true,"iceServers":[]}`, `{"allowed":false,"reason":"no \"way\""}`,
		`{"allowed":false,"reason":""}`, `[]`, `x`, `{"allowed":1}`, `{"allowed":true,"reason":7}`,
	} {
		all = append(all, ayameExchange{name: "the application says " + answer, answer: answer, play: func(a *ayameAt) []string {
			heard := append(ayameFirst(register)(a), a.hook())
			if strings.Contains(heard[0], "reject") {
				return heard // Ayame tells that one who was never in has gone; parleyd does not
			}
			return append(heard, a.hook())
		}})
	}
	return append(all, ayameExchange{name: "the application is asked about little", answer: `{"allowed":true}`, play: func(a *ayameAt) []string {
		return append(ayameFirst(enterR)(a), a.hook(), a.hook())
	}})
}

// playAyame plays an exchange to the server that start starts, which returns its URL.
func playAyame(t *testing.T, e *ayameExchange, n int, start func(t *testing.T, authn, gone string) string) []string {
	a := &ayameAt{t: t, suffix: fmt.Sprint("-", n), hooked: make(chan string, 10)}
	if e.answer == "" {
		a.url = start(t, "", "")
		return e.play(a)
	}
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		a.hooked <- r.URL.Path + " " + a.here(canonical(t, string(body)))
		_, _ = w.Write([]byte(e.answer))
	}))
	defer hook.Close()
	a.url = start(t, hook.URL+"/authn", hook.URL+"/gone")
	return e.play(a)
}

// ayameRecord has what Ayame 2023.2.0 (github.com/OpenAyame/ayame, commit
// b7352846f9ca8d80d105aca36c7b3ce3ab57ef4d) answers, by exchange.
var ayameRecord = filepath.Join("testdata", "ayame.json")

// ayameServer runs an Ayame server.
func ayameServer(t *testing.T, binary, authn, gone string) (url string) {
	t.Helper()
	port := process.FreePort(t)
	dir := t.TempDir()
	settings := fmt.Sprintf("log_dir = %s\nlog_name = ayame.log\nlog_level = info\nlisten_ipv4_address = 127.0.0.1\nlisten_port_number = %s\n"+
		"listen_prometheus_ipv4_address = 127.0.0.1\nlisten_prometheus_port_number = %s\n", dir, port, process.FreePort(t))
	if authn != "" {
		settings += fmt.Sprintf("authn_webhook_url = %s\ndisconnect_webhook_url = %s\n", authn, gone)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.ini"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	process.Start(t, exec.Command(binary, "-C", filepath.Join(dir, "config.ini")))
	process.AwaitTCP(t, "127.0.0.1:"+port)
	return "ws://127.0.0.1:" + port + "/signaling"
}

// An Ayame server and parleyd answer alike, but where it is listed. No registry has that server, so
// its answers are recorded: with its binary in AYAME_SERVER they are recorded anew.
func TestAyameBesideItsServer(t *testing.T) {
	exchanges := ayameExchanges()
	record := map[string][]string{}
	if binary := os.Getenv("AYAME_SERVER"); binary != "" {
		for i := range exchanges {
			record[exchanges[i].name] = playAyame(t, &exchanges[i], i, func(t *testing.T, authn, gone string) string { return ayameServer(t, binary, authn, gone) })
		}
		text, err := json.MarshalIndent(record, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(ayameRecord, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(ayameRecord)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &record); err != nil || len(record) != len(exchanges) {
		t.Fatalf("%d exchanges are recorded, there are %d: %v", len(record), len(exchanges), err)
	}
	d := parleyd.Start(t, "--ayame", "/signaling", "--rate-changes", "0")
	for i, e := range exchanges {
		t.Run(e.name, func(t *testing.T) {
			got := playAyame(t, &e, i, func(t *testing.T, authn, gone string) string {
				at := d
				if authn != "" {
					at = parleyd.Start(t, "--ayame", "/signaling", "--ayame-authn-webhook", authn, "--ayame-disconnect-webhook", gone)
				}
				return "ws://" + at.Address + "/signaling"
			})
			want := record[e.name]
			switch same := slices.Equal(want, got); {
			case e.why == "" && !same:
				t.Errorf("Ayame says   %q\nparleyd says %q", want, got)
			case e.why != "" && same:
				t.Errorf("there is no difference any more: %q", got)
			case e.why != "" && !slices.Equal(got, e.ours):
				t.Errorf("listed is    %q\nparleyd says %q", e.ours, got)
			}
		})
	}
}
