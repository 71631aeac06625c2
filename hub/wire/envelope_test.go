package wire

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParse(t *testing.T) {
	nested := func(n int) string { // in the message, which is one level itself
		return `{"type":"ping","x":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}`
	}
	for _, c := range []struct {
		name, text string
		want       Code
	}{
		{"ping", `{"type":"ping"}`, NoCode},
		{"white space anywhere", " \t\r\n{ \"type\" : \"ping\" , \"x\" : [ 1 , 2 ] } \n", NoCode},
		{"unknown fields", `{"type":"ping","extra":{"type":"join"},"Type":1}`, NoCode},
		{"escaped name and value", `{"\u0074ype":"\u0070ing"}`, NoCode},
		{"join", `{"type":"join","room":"r","from":"a","name":"Ann"}`, NoCode},
		{"join without an id", `{"type":"join","room":"r"}`, NoCode},
		{"null candidate", `{"type":"candidate","to":"b","candidate":null}`, NoCode},
		{"empty candidate", `{"type":"candidate","to":"b","candidate":""}`, NoCode},
		{"duplicates inside an opaque part", `{"type":"offer","to":"b","sdp":{"a":1,"a":2}}`, NoCode},
		{"leave with room and id", `{"type":"leave","room":"r","from":"a"}`, NoCode},
		{"name removed", `{"type":"rename","name":""}`, NoCode},
		{"received as a float", `{"type":"resume","session":"s","received":1.0e1}`, NoCode},
		{"1,000 levels", nested(1000), NoCode},
		{"all kinds of numbers", `{"type":"ping","x":[0,-0,1.5,-1e5,1E+5,1e-5,10]}`, NoCode},

		{"1,001 levels", nested(1001), CodeBadMessage},
		{"nothing", ``, CodeBadMessage},
		{"white space only", "  ", CodeBadMessage},
		{"an array", `[]`, CodeBadMessage},
		{"a string", `"ping"`, CodeBadMessage},
		{"null", `null`, CodeBadMessage},
		{"cut short", `{"type":"ping"`, CodeBadMessage},
		{"cut in a string", `{"type":"pi`, CodeBadMessage},
		{"cut in an escape", `{"type":"pi\`, CodeBadMessage},
		{"cut in a surrogate", `{"type":"pi\ud83d\u`, CodeBadMessage},
		{"text behind it", `{"type":"ping"}x`, CodeBadMessage},
		{"a second object", `{"type":"ping"}{"type":"ping"}`, CodeBadMessage},
		{"comma before the end", `{"type":"ping",}`, CodeBadMessage},
		{"comma at the start", `{,"type":"ping"}`, CodeBadMessage},
		{"no comma", `{"type":"ping" "x":1}`, CodeBadMessage},
		{"no colon", `{"type" "ping"}`, CodeBadMessage},
		{"no quotes", `{type:"ping"}`, CodeBadMessage},
		{"single quotes", `{'type':'ping'}`, CodeBadMessage},
		{"comment", `{"type":"ping"/**/}`, CodeBadMessage},
		{"byte order mark", "\ufeff{\"type\":\"ping\"}", CodeBadMessage},
		{"control character in a string", "{\"type\":\"ping\",\"x\":\"\n\"}", CodeBadMessage},
		{"bad escape", `{"type":"ping","x":"\x"}`, CodeBadMessage},
		{"bad \\u", `{"type":"ping","x":"\u12g4"}`, CodeBadMessage},
		{"leading zero", `{"type":"ping","x":01}`, CodeBadMessage},
		{"plus sign", `{"type":"ping","x":+1}`, CodeBadMessage},
		{"bare point", `{"type":"ping","x":1.}`, CodeBadMessage},
		{"bare exponent", `{"type":"ping","x":1e}`, CodeBadMessage},
		{"NaN", `{"type":"ping","x":NaN}`, CodeBadMessage},
		{"true misspelled", `{"type":"ping","x":True}`, CodeBadMessage},
		{"brackets crossed", `{"type":"ping","x":[{]}}`, CodeBadMessage},
		{"array closed as an object", `{"type":"ping","x":[1}}`, CodeBadMessage},
		{"name missing in an inner object", `{"type":"ping","x":{1}}`, CodeBadMessage},
		{"form feed as space", "{\"type\":\"ping\",\f\"x\":1}", CodeBadMessage},

		{"type twice", `{"type":"ping","type":"join"}`, CodeBadMessage},
		{"from twice", `{"type":"offer","to":"b","from":"a","from":"c","sdp":1}`, CodeBadMessage},
		{"from twice, once escaped", `{"type":"offer","to":"b","from":"a","fr\u006fm":"c","sdp":1}`, CodeBadMessage},
		{"unknown name twice", `{"type":"ping","x":1,"x":1}`, CodeBadMessage},
		{"empty name twice", `{"type":"ping","":1,"":1}`, CodeBadMessage},
		{"one of many names twice", `{"type":"ping",` + numbered(40) + `,"n7":1}`, CodeBadMessage},

		{"no type", `{"room":"r"}`, CodeBadMessage},
		{"type is a number", `{"type":1}`, CodeBadMessage},
		{"type is null", `{"type":null}`, CodeBadMessage},
		{"room is null", `{"type":"join","room":null}`, CodeBadMessage},
		{"from is an object", `{"type":"join","room":"r","from":{}}`, CodeBadMessage},
		{"members is a string", `{"type":"ping","members":"a"}`, CodeBadMessage},
		{"members of numbers", `{"type":"ping","members":["a",1]}`, CodeBadMessage},
		{"names is an array", `{"type":"ping","names":[]}`, CodeBadMessage},
		{"received is negative", `{"type":"resume","session":"s","received":-1}`, CodeBadMessage},
		{"received is a fraction", `{"type":"resume","session":"s","received":1.5}`, CodeBadMessage},
		{"received is huge", `{"type":"resume","session":"s","received":1e300}`, CodeBadMessage},
		{"resumable is a string", `{"type":"join","room":"r","resumable":"true"}`, CodeBadMessage},
		{"ref too long", `{"type":"ping","ref":"` + strings.Repeat("x", 65) + `"}`, CodeBadMessage},
		{"ref is half a character", `{"type":"ping","ref":"\ud800"}`, CodeBadMessage},
		{"type in the wrong case", `{"Type":"ping"}`, CodeBadMessage},

		{"join without a room", `{"type":"join"}`, CodeBadMessage},
		{"offer without sdp", `{"type":"offer","to":"b"}`, CodeBadMessage},
		{"offer without to", `{"type":"offer","sdp":1}`, CodeBadMessage},
		{"candidate without candidate", `{"type":"candidate","to":"b"}`, CodeBadMessage},
		{"hangup without to", `{"type":"hangup"}`, CodeBadMessage},
		{"message without data", `{"type":"message"}`, CodeBadMessage},
		{"rename without name", `{"type":"rename"}`, CodeBadMessage},
		{"resume without received", `{"type":"resume","session":"s"}`, CodeBadMessage},
		{"kick without to", `{"type":"kick"}`, CodeBadMessage},
		{"token without token", `{"type":"token"}`, CodeBadMessage},

		{"unknown type", `{"type":"dance"}`, CodeUnknownType},
		{"empty type", `{"type":""}`, CodeUnknownType},
		{"type in capitals", `{"type":"PING"}`, CodeUnknownType},
		{"a type of the server", `{"type":"joined"}`, CodeUnknownType},

		{"room empty", `{"type":"join","room":""}`, CodeInvalidRoom},
		{"room too long", `{"type":"join","room":"` + strings.Repeat("r", 129) + `"}`, CodeInvalidRoom},
		{"room with a line break", `{"type":"join","room":"a\nb"}`, CodeInvalidRoom},
		{"room with a space in front", `{"type":"join","room":" a"}`, CodeInvalidRoom},
		{"room with half a character", `{"type":"join","room":"a\ud800"}`, CodeInvalidRoom},
		{"id empty", `{"type":"join","room":"r","from":""}`, CodeInvalidID},
		{"id too long", `{"type":"join","room":"r","from":"` + strings.Repeat("é", 33) + `"}`, CodeInvalidID},
		{"id that turns text", `{"type":"join","room":"r","from":"a\u202eb"}`, CodeInvalidID},
		{"nickname empty", `{"type":"join","room":"r","name":""}`, CodeInvalidName},
		{"nickname with a control", `{"type":"rename","name":"a\u0000"}`, CodeInvalidName},
		{"nickname with space behind", `{"type":"rename","name":"a "}`, CodeInvalidName},
	} {
		t.Run(c.name, func(t *testing.T) {
			var e Envelope
			got := NoCode
			if r := e.Parse([]byte(c.text)); r != nil {
				got = r.Code
			}
			if got != c.want {
				t.Errorf("Parse(%.80s) = %q, want %q", c.text, got, c.want)
			}
		})
	}
}

// numbered returns n members named n0, n1, …
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"n`)
		b.WriteString(strings.TrimLeft(string(rune('0'+i/10)), "0") + string(rune('0'+i%10)))
		b.WriteString(`":1`)
	}
	return b.String()
}

func TestParseFields(t *testing.T) {
	text := `{"type":"join","room":"gar\u0064en","from":"\"a\\b\/","name":"Zo\u00eb \ud83d\ude00","ref":"r1",` +
		`"token":"t","resumable":true,"received":7,"session":"s","to":"x"}`
	var e Envelope
	if r := e.Parse([]byte(text)); r != nil {
		t.Fatal(r)
	}
	for _, f := range []struct{ name, got, want string }{
		{"room", string(e.Room), "garden"},
		{"from", string(e.From), `"a\b/`},
		{"name", string(e.Name), "Zoë 😀"},
		{"ref", string(e.Ref), "r1"},
		{"token", string(e.Token), "t"},
		{"session", string(e.Session), "s"},
		{"to", string(e.To), "x"},
	} {
		if f.got != f.want {
			t.Errorf("%s = %q, want %q", f.name, f.got, f.want)
		}
	}
	if e.Type != TypeJoin || !e.Resumable || e.Received != 7 {
		t.Errorf("type %v, resumable %v, received %d", e.Type, e.Resumable, e.Received)
	}
}

// A refusal for a field still tells what it answers.
func TestRefusalKeepsItsPlace(t *testing.T) {
	var e Envelope
	r := e.Parse([]byte(`{"type":"offer","to":"b","ref":"7"}`))
	if r == nil || e.Type != TypeOffer || string(e.To) != "b" || string(e.Ref) != "7" {
		t.Errorf("refusal %v, type %v, to %q, ref %q", r, e.Type, e.To, e.Ref)
	}
}

func TestForward(t *testing.T) {
	own := NewSuffixes("r", "a")
	for _, c := range []struct{ name, text, want string }{
		{"room and from are put in", `{"type":"offer","to":"b","sdp": {"x" : 1.0e0} }`,
			`{"type":"offer","to":"b","sdp": {"x" : 1.0e0} ,"room":"r","from":"a"}`},
		{"what the client gave stays", `{"from":"a","type":"offer","room":"r","to":"b","sdp":"\u0041"}`,
			`{"from":"a","type":"offer","room":"r","to":"b","sdp":"\u0041"}`},
		{"from alone", `{"from":"a","type":"hangup","to":"b"}`, `{"from":"a","type":"hangup","to":"b","room":"r"}`},
		{"room alone", `{"room":"r","type":"hangup","to":"b"}`, `{"room":"r","type":"hangup","to":"b","from":"a"}`},
		{"space around goes with the end", ` {"type":"hangup","to":"b"} `, ` {"type":"hangup","to":"b","room":"r","from":"a"}`},
		{"a look-alike comes before the truth", `{"type":"hangup","to":"b","From":"x"}`,
			`{"type":"hangup","to":"b","From":"x","room":"r","from":"a"}`},
		{"a look-alike behind what the client gave", `{"from":"a","type":"hangup","to":"b","FROM":"x"}`,
			`{"type":"hangup","to":"b","FROM":"x","room":"r","from":"a"}`},
		{"both given, look-alike, own last", `{"type":"hangup","FROM":"x","to":"b","room":"r" , "from" : "a" }`,
			`{"type":"hangup","FROM":"x","to":"b","room":"r","from":"a"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var e Envelope
			if r := e.Parse([]byte(c.text)); r != nil {
				t.Fatal(r)
			}
			f := e.AppendForward(nil, &own)
			if got := string(f); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if !json.Valid(f) {
				t.Errorf("not JSON: %s", f)
			}
		})
	}
}

// reference is what encoding/json makes of a message: the last word on what other
// readers see.
type reference struct {
	ok     bool // a valid object without a duplicate name, no deeper than MaxDepth
	fields map[string]any
	odd    bool // a name holds half a surrogate pair, of which readers differ
}

func readReference(text []byte) reference {
	if !json.Valid(text) {
		return reference{}
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return reference{}
	}
	r := reference{ok: depth(text) <= MaxDepth, fields: map[string]any{}}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return reference{}
		}
		name := token.(string)
		if strings.ContainsRune(name, utf8.RuneError) {
			r.odd = true
		}
		if _, twice := r.fields[name]; twice {
			r.ok = false
		}
		var value any
		if err := d.Decode(&value); err != nil {
			return reference{}
		}
		r.fields[name] = value
	}
	return r
}

// depth returns how deep valid JSON nests.
func depth(text []byte) int {
	deepest, level, inString := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case !inString && (c == '{' || c == '['):
			level++
			deepest = max(deepest, level)
		case !inString && (c == '}' || c == ']'):
			level--
		}
	}
	return deepest
}

// FuzzParse holds the reader of envelopes against encoding/json: they never
// disagree on whether a text is a message, nor on what it says.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"type":"offer","to":"b","sdp":"v=0\r\n","from":"a","room":"r"}`,
		`{"type":"candidate","to":"b","candidate":{"candidate":"x","sdpMLineIndex":0,"n":null,"t":true,"f":false}}`,
		`{"type":"join","room":"r\u00e9","from":"\ud83d\ude00","resumable":true,"received":1e3}`,
		`{"type":"message","data":[[],{},[{"a":[1,-2.5e-7]}]],"":1}`,
		` { } `, `{"a":1,"\u0061":2}`, `{"type":"\ud800"}`, `{"FROM":"x","from":"a"}`, `[1]`, `{"x":"\u0000"}`,
	} {
		f.Add([]byte(seed))
	}
	own := NewSuffixes("r", "a")
	f.Fuzz(func(t *testing.T, text []byte) {
		if !utf8.Valid(text) {
			return // refused before it is parsed
		}
		want := readReference(text)
		if want.odd {
			return
		}
		var e Envelope
		r := e.Parse(text)
		unreadable := r == errNotJSON || r != nil && strings.HasSuffix(r.Text, " appears twice in the message")
		if unreadable == want.ok {
			t.Fatalf("Parse: %v; encoding/json: ok %v", r, want.ok)
		}
		if unreadable {
			return
		}
		for name, got := range map[string][]byte{
			"type": e.TypeName, "room": e.Room, "from": e.From, "to": e.To, "name": e.Name, "token": e.Token, "session": e.Session,
		} {
			s, _ := want.fields[name].(string)
			read := string(bytes.ReplaceAll(got, []byte{0xFF}, []byte("\ufffd")))
			if read != s && read != string(Normal([]byte(s))) {
				t.Errorf("%s = %q, encoding/json: %q", name, got, s)
			}
		}
		if r == nil && e.Type.Forwarded() {
			checkForward(t, &e, &own, want)
		}
	})
}

// checkForward sees that the forwarded message says what the one that came said,
// and names the true sender to every reader.
func checkForward(t *testing.T, e *Envelope, own *Suffixes, came reference) {
	from, given := came.fields["from"].(string)
	room, roomGiven := came.fields["room"].(string)
	if given && from != "a" || roomGiven && room != "r" {
		return // refused by the caller
	}
	f := e.AppendForward(nil, own)
	if got := opened(e, "r", "a"); got != string(f) {
		t.Fatalf("Open makes %s, Forward %s", got, f)
	}
	sent := readReference(f)
	if !sent.ok || sent.fields["from"] != "a" || sent.fields["room"] != "r" {
		t.Fatalf("forwarded as %s", f)
	}
	for name, value := range came.fields {
		a, _ := json.Marshal(value)
		b, _ := json.Marshal(sent.fields[name])
		if !bytes.Equal(a, b) {
			t.Errorf("%s was %s and is %s", name, a, b)
		}
	}
	var careless struct{ From, Room string } // ignores case, as many readers do
	if err := json.Unmarshal(f, &careless); err != nil || careless.From != "a" || careless.Room != "r" {
		t.Errorf("a reader that ignores case sees %q in %q (%v): %s", careless.From, careless.Room, err, f)
	}
}
