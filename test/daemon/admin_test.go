package daemon

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// operator asks the admin API of a daemon, and holds what comes against the API's
// own description.
type operator struct {
	t           *testing.T
	d           *parleyd.Daemon
	token       string
	description map[string]any
	compiler    *jsonschema.Compiler
	asked       map[string]bool // method and path
}

func operate(t *testing.T, d *parleyd.Daemon, token string) *operator {
	t.Helper()
	o := &operator{t: t, d: d, token: token, compiler: jsonschema.NewCompiler(), asked: map[string]bool{}}
	_, text := o.raw("GET", "/api/v1/openapi.json", "")
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	o.description = document.(map[string]any)
	o.compiler.AssertFormat()
	if err := o.compiler.AddResource("api.json", document); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *operator) raw(method, path, body string) (int, string) {
	o.t.Helper()
	r, err := http.NewRequest(method, "http://"+o.d.Admin+path, strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	if o.token != "" {
		r.Header.Set("Authorization", "Bearer "+o.token)
	}
	answer, err := (&http.Client{Timeout: parleyd.Patience}).Do(r)
	if err != nil {
		o.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// ask sends a request, whose answer must have this status and be as it is described.
func (o *operator) ask(method, path, body string, want int) map[string]any {
	o.t.Helper()
	status, text := o.raw(method, path, body)
	if status != want {
		o.t.Fatalf("%s %s: %d %s, want %d", method, path, status, text, want)
	}
	bare, _, _ := strings.Cut(path, "?")
	o.asked[method+" "+bare] = true
	pointer := fmt.Sprintf("api.json#/paths/%s/%s/responses/%d/content/application~1json/schema",
		strings.ReplaceAll(bare, "/", "~1"), strings.ToLower(method), status)
	schema, err := o.compiler.Compile(pointer)
	if err != nil {
		o.t.Fatalf("%s %s: %d is not described: %v", method, path, status, err)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		o.t.Fatal(err)
	}
	if err := schema.Validate(document); err != nil {
		o.t.Errorf("%s %s: %s is not as described: %v", method, path, text, err)
	}
	var m map[string]any
	_ = json.Unmarshal([]byte(text), &m)
	return m
}

func TestAdminAPI(t *testing.T) {
	d := parleyd.Start(t, "--max-rooms", "1000")
	o := operate(t, d, "")
	a, b := connect(t, d), connect(t, d)
	a.join("garden", "ann")
	b.join("garden", "bob")
	lost := connect(t, d)
	lost.joinWith(`"room":"attic","from":"lost","name":"Lost","resumable":true`)
	_ = lost.conn.CloseNow()
	d.Wait(t, "suspended")

	if s := o.ask("GET", "/api/v1/status", "", 200); s["rooms"] != 2.0 || s["members"] != 3.0 || s["suspended"] != 1.0 {
		t.Errorf("status: %v", s)
	}
	if n := o.ask("GET", "/api/v1/nodes", "", 200); n["total"] != 0.0 {
		t.Errorf("nodes of a server that is the only one: %v", n)
	}
	if c := o.ask("GET", "/api/v1/config", "", 200); c["max-rooms"] != "1000" {
		t.Errorf("config: %v", c)
	}
	if r := o.ask("GET", "/api/v1/room?name=garden", "", 200); r["members"] != 2.0 || len(r["member_list"].([]any)) != 2 {
		t.Errorf("room: %v", r)
	}
	if m := o.ask("GET", "/api/v1/members?contains=os", "", 200); m["total"] != 1.0 {
		t.Errorf("members: %v", m)
	}
	if c := o.ask("GET", "/api/v1/connections?joined=true&sort=backlog", "", 200); c["total"] != 2.0 {
		t.Errorf("connections: %v", c)
	}
	if c := o.ask("GET", "/api/v1/calls", "", 200); c["total"] != 0.0 {
		t.Errorf("calls: %v", c)
	}
	if r := o.ask("GET", "/api/v1/rooms?prefix=gar&sort=members", "", 200); r["total"] != 1.0 {
		t.Errorf("rooms: %v", r)
	}

	o.ask("POST", "/api/v1/message", `{"room":"garden","data":{"text":"hello"}}`, 200)
	a.until(func(m message) bool { return m.Type == "message" && m.From == "" })
	o.ask("POST", "/api/v1/lock", `{"room":"garden"}`, 200)
	a.until(func(m message) bool { return m.Locked })
	if r := o.ask("GET", "/api/v1/rooms?locked=true", "", 200); r["total"] != 1.0 {
		t.Errorf("locked rooms: %v", r)
	}
	o.ask("POST", "/api/v1/unlock", `{"room":"garden"}`, 200)
	o.ask("POST", "/api/v1/kick", `{"room":"garden","id":"bob"}`, 200)
	b.wantClose(4002)
	o.ask("POST", "/api/v1/close", `{"room":"garden"}`, 200)
	a.wantClose(4002)
	d.Wait(t, "admin order", "order", "kick", "room", "garden", "id", "bob")

	for path, body := range map[string]string{
		"kick": `{"room":"garden"}`, "lock": `{"room":" "}`, "unlock": `x`, "close": `{}`, "message": `{"room":"attic"}`,
	} {
		o.ask("POST", "/api/v1/"+path, body, 400)
	}
	o.ask("POST", "/api/v1/kick", `{"room":"attic","id":"nobody"}`, 404)
	o.ask("POST", "/api/v1/lock", `{"room":"nowhere"}`, 404)
	o.ask("GET", "/api/v1/room?name=nowhere", "", 404)
	o.ask("GET", "/api/v1/call?id=nothing", "", 404)
	for _, path := range []string{"room", "rooms?limit=0", "rooms?limit=x", "rooms?sort=color", "members?cursor=x", "connections?cursor=AAAA", "calls?limit=0"} {
		o.ask("GET", "/api/v1/"+path, "", 400)
	}
	o.ask("GET", "/api/v1/openapi.json", "", 200)
	o.ask("POST", "/api/v1/reload", "", 200)
	o.ask("POST", "/api/v1/drain", "", 202)
	if code := d.ExitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	// All that is described was asked for.
	for path, methods := range o.description["paths"].(map[string]any) {
		for method := range methods.(map[string]any) {
			if !o.asked[strings.ToUpper(method)+" "+path] {
				t.Errorf("%s %s is described and was not tested", method, path)
			}
		}
	}
}

// A long list comes in pages that have everything once.
func TestAdminPages(t *testing.T) {
	d := parleyd.Start(t)
	o := operate(t, d, "")
	c := connect(t, d)
	var want []string
	for i := range 23 {
		name := fmt.Sprintf("room %02d/../%d", i, i) // names that paths would stumble over
		want = append(want, name)
		connect(t, d).join(name, "a")
	}
	for _, sort := range []string{"", "members", "opened"} {
		var have []string
		for cursor := ""; ; {
			p := o.ask("GET", "/api/v1/rooms?limit=5&sort="+sort+"&cursor="+cursor, "", 200)
			for _, item := range p["items"].([]any) {
				have = append(have, item.(map[string]any)["name"].(string))
			}
			next, more := p["next"].(string)
			if !more {
				break
			}
			cursor = next
			c.joinWith(fmt.Sprintf(`"room":"z%d"`, len(have))) // others come and go
			c.send(`{"type":"leave"}`)
		}
		have = slices.DeleteFunc(have, func(name string) bool { return name[0] == 'z' })
		slices.Sort(have)
		if !slices.Equal(have, want) {
			t.Errorf("sorted by %q: %q", sort, have)
		}
	}
	if r := o.ask("GET", "/api/v1/room?name="+url.QueryEscape(want[3]), "", 200); r["name"] != want[3] {
		t.Errorf("room: %v", r)
	}
}

func TestAdminToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, []byte("open sesame\n"))
	d := parleyd.Start(t, "--admin-token-file", file)
	if status, _ := parleyd.Get(t, d.Admin, "/api/v1/status"); status != http.StatusUnauthorized {
		t.Errorf("without the token: %d", status)
	}
	if status, _ := parleyd.Get(t, d.Admin, "/"); status != http.StatusOK {
		t.Errorf("the page: %d", status)
	}
	o := operate(t, d, "open sesame")
	o.ask("GET", "/api/v1/status", "", 200)
	o.token = "open sesam"
	o.ask("GET", "/api/v1/status", "", 401)
	// The token can be changed.
	write(t, file, []byte("close sesame\n"))
	d.Wait(t, "start")
	o.token = "close sesame"
	for {
		if status, _ := o.raw("GET", "/api/v1/status", ""); status == http.StatusOK {
			break
		}
	}
	d.Wait(t, "secret reloaded", "setting", "admin-token-file")
}

// A page from elsewhere can't have an operator's browser give orders.
func TestAdminFromElsewhere(t *testing.T) {
	d := parleyd.Start(t)
	for name, headers := range map[string]map[string]string{
		"across origins":         {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
		"a name that was bent":   {"Host": "evil.example"},
		"an origin without more": {"Origin": "https://evil.example"},
	} {
		r, err := http.NewRequest("POST", "http://"+d.Admin+"/api/v1/drain", nil)
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range headers {
			r.Header.Set(key, value)
		}
		r.Host = headers["Host"]
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", name, answer.StatusCode)
		}
	}
}

func TestAdminCommands(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	write(t, token, []byte("open sesame"))
	d := parleyd.Start(t, "--admin-token-file", token)
	admin := func(args ...string) string {
		t.Helper()
		return output(t, append([]string{"admin", "--server", "http://" + d.Admin, "--token-file", token}, args...)...)
	}
	a, b := connect(t, d), connect(t, d)
	a.join("garden", "ann")
	b.join("garden", "bob")
	a.sees("bob")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"rooms"}, "garden"},
		{[]string{"rooms", "--json"}, `"total":1`},
		{[]string{"rooms", "--prefix", "x"}, "ROOM"},
		{[]string{"room", "garden"}, "2 members"},
		{[]string{"members", "garden"}, "bob"},
		{[]string{"connections", "--joined", "true"}, "ann"},
		{[]string{"status"}, "members"},
		{[]string{"config"}, "max-room-members"},
		{[]string{"config", "--json"}, `"max-room-members":"100"`},
		{[]string{"lock", "garden"}, "garden is locked"},
		{[]string{"unlock", "garden"}, "garden is unlocked"},
		{[]string{"message", "garden", `{"text":"hello"}`}, "sent to garden"},
		{[]string{"kick", "garden", "bob"}, "bob was removed"},
		{[]string{"close", "garden", "--json"}, "{}"},
	} {
		if out := admin(c.args...); !strings.Contains(out, c.want) {
			t.Errorf("admin %q said %q, want %q", c.args, out, c.want)
		}
	}
	b.wantClose(4002)
	a.wantClose(4002)
	for _, args := range [][]string{
		{"kick", "garden", "nobody"}, {"room", "nowhere"}, {"message", "garden", "{"}, {"fly"}, {"kick", "garden"},
		{"rooms", "--token-file", os.DevNull}, {"rooms", "--server", "http://127.0.0.1:1"},
	} {
		all := append([]string{"admin", "--server", "http://" + d.Admin, "--token-file", token}, args...)
		if out, err := parleyd.Command(all...).CombinedOutput(); err == nil || strings.Count(string(out), "\n") != 1 {
			t.Errorf("admin %q: %v: %s", args, err, out)
		}
	}
	if out := admin("drain"); out != "draining" {
		t.Errorf("drain said %q", out)
	}
	if code := d.ExitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
