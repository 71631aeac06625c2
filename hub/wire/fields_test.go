package wire

import (
	"fmt"
	"strings"
	"testing"
)

func parse(t *testing.T, text string) *Envelope {
	t.Helper()
	e := new(Envelope)
	if r := e.Parse([]byte(text)); r != nil {
		t.Fatalf("%.80s: %v", text, r)
	}
	return e
}

// A refusal names the field that is wrong, and says what to do.
func TestRefusalNamesTheField(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for _, c := range []struct{ text, want string }{
		{`[]`, "the message is not one JSON object"},
		{`{"room":"r"}`, `"type" is missing`},
		{`{"type":"dance"}`, "a client cannot send a message of this type"},
		{`{"type":1}`, `"type" must be a string`},
		{`{"type":"join","room":1}`, `"room" must be a string`},
		{`{"type":"join","room":"r","from":null}`, `"from" must be a string`},
		{`{"type":"ping","to":[]}`, `"to" must be a string`},
		{`{"type":"ping","name":false}`, `"name" must be a string`},
		{`{"type":"ping","ref":1}`, `"ref" must be a string`},
		{`{"type":"ping","token":{}}`, `"token" must be a string`},
		{`{"type":"ping","session":1}`, `"session" must be a string`},
		{`{"type":"ping","received":"1"}`, `"received" must be a whole number from 0 to 2^53`},
		{`{"type":"ping","resumable":1}`, `"resumable" must be true or false`},
		{`{"type":"ping","members":[1]}`, `"members" must be an array of strings`},
		{`{"type":"ping","names":1}`, `"names" must be an object`},
		{`{"type":"join","room":"r","passcode":1}`, `"passcode" must be a string`},
		{`{"type":"join","room":"r","takeover":"yes"}`, `"takeover" must be true or false`},
		{`{"type":"join","room":"r","changes":null}`, `"changes" must be true or false`},
		{`{"type":"join","room":"r","meta":"` + long + `"}`, `"meta" is longer than 1024 bytes`},
		{`{"type":"update","meta":"` + long + `"}`, `"meta" is longer than 1024 bytes`},
		{`{"type":"update"}`, `"meta" is missing: a message of this type needs it`},
		{`{"type":"join"}`, `"room" is missing: a message of this type needs it`},
		{`{"type":"offer","to":"b"}`, `"sdp" is missing: a message of this type needs it`},
		{`{"type":"offer","sdp":1}`, `"to" is missing: a message of this type needs it`},
		{`{"type":"message"}`, `"data" is missing: a message of this type needs it`},
		{`{"type":"resume","session":"s"}`, `"received" is missing: a message of this type needs it`},
		{`{"type":"ping","ref":"` + long + `"}`, `"ref" is longer than 64 bytes`},
		{`{"type":"ping","ref":"\ud800"}`, `"ref" is not valid text: it has half of a surrogate pair`},
		{`{"type":"ping","from":"a","from":"a"}`, `"from" appears twice in the message`},
		{`{"type":"ping","changes":1,"changes":2}`, `"changes" appears twice in the message`},
		{`{"type":"ping","other":1,"other":2}`, "a field name appears twice in the message"},
	} {
		var e Envelope
		r := e.Parse([]byte(c.text))
		if r == nil || r.Text != c.want {
			t.Errorf("%.60s: %v, want %s", c.text, r, c.want)
		}
	}
}

// Every field is known by its name, and its refusals are its own.
func TestFieldNames(t *testing.T) {
	for i := range numFields {
		f, info := Field(1)<<i, fieldInfos[i]
		if info.name == "" || fieldOf([]byte(info.name)) != f || f.info() != &fieldInfos[i] {
			t.Errorf("field %d is called %q", i, info.name)
		}
		var e Envelope
		if r := e.Parse(fmt.Appendf(nil, `{"type":"ping",%q:null,%q:null}`, info.name, info.name)); r != info.twice && f != FieldType {
			t.Errorf("%q twice: %v", info.name, r)
		}
	}
	for _, name := range []string{"", "Type", "typ", "report", "from "} {
		if f := fieldOf([]byte(name)); f != 0 {
			t.Errorf("%q is field %b", name, f)
		}
	}
}

// A join says how the member wants to be in the room.
func TestJoinOptions(t *testing.T) {
	plain := parse(t, `{"type":"join","room":"r"}`)
	if plain.Takeover || plain.Changes || plain.Resumable || plain.Meta != nil || plain.Has(FieldMeta) {
		t.Errorf("a plain join: %+v", plain)
	}
	all := parse(t, `{"type":"join","room":"r","takeover":true,"changes":true,"resumable":true,"passcode":"p","meta":{"a": [1]}}`)
	if !all.Takeover || !all.Changes || !all.Resumable || string(all.Passcode) != "p" || string(all.Meta) != `{"a": [1]}` {
		t.Errorf("a join with all: %+v", all)
	}
	no := parse(t, `{"type":"join","room":"r","takeover":false,"changes":false,"resumable":false,"meta":null}`)
	if no.Takeover || no.Changes || no.Resumable || no.Meta != nil || !no.Has(FieldTakeover|FieldChanges|FieldResumable|FieldMeta) {
		t.Errorf("a join without: %+v", no)
	}
}

// Fields that mean something in a join only are the application's own elsewhere.
func TestFieldsOfAJoinElsewhere(t *testing.T) {
	for _, field := range []string{
		`"passcode":1`, `"takeover":"soon"`, `"changes":[]`, `"meta":"` + strings.Repeat("x", 3000) + `"`,
		`"session":"` + strings.Repeat("s", 3000) + `"`,
	} {
		parse(t, `{"type":"message","data":1,`+field+`}`)
		parse(t, `{`+field+`,"type":"message","data":1}`)
	}
}

// A profile is any JSON of at most 1,024 bytes; null removes it.
func TestMeta(t *testing.T) {
	limit := `"` + strings.Repeat("x", MaxMeta-2) + `"`
	for _, meta := range []string{`{}`, `[]`, `"s"`, `0`, `false`, `{"a":{"b":null}}`, limit} {
		for _, text := range []string{`{"type":"join","room":"r","meta":` + meta + `}`, `{"type":"update","meta":` + meta + `}`} {
			if e := parse(t, text); string(e.Meta) != meta || !e.Has(FieldMeta) {
				t.Errorf("%.60s: meta is %.40q", text, e.Meta)
			}
		}
	}
	if e := parse(t, `{"type":"update","meta":null}`); e.Meta != nil || !e.Has(FieldMeta) {
		t.Errorf("null: meta is %q", e.Meta)
	}
	for _, text := range []string{`{"type":"join","room":"r","meta":` + limit[:3] + limit[2:] + `}`, `{"type":"update","meta":` + limit[:3] + limit[2:] + `}`} {
		var e Envelope
		if r := e.Parse([]byte(text)); CodeOf(r) != CodeBadMessage {
			t.Errorf("%d bytes of meta: %v", MaxMeta+1, r)
		}
	}
}

// No session of this server is longer than 64 bytes, so none is looked up.
func TestLongSession(t *testing.T) {
	session := strings.Repeat("s", MaxSession)
	if e := parse(t, `{"type":"resume","received":1,"session":"`+session+`"}`); string(e.Session) != session {
		t.Errorf("the session is %q", e.Session)
	}
	var e Envelope
	r := e.Parse([]byte(`{"type":"resume","received":1,"session":"` + session + `s"}`))
	if r == nil || r.Code != CodeSessionExpired {
		t.Errorf("one byte more: %v", r)
	}
}

// received is a number that every JSON reader can hold.
func TestReceived(t *testing.T) {
	for text, want := range map[string]uint64{
		"0": 0, "-0": 0, "7": 7, "1e3": 1000, "1.50e1": 15, "9007199254740992": 1 << 53, "9007199254740992.0": 1 << 53,
	} {
		if e := parse(t, `{"type":"resume","session":"s","received":`+text+`}`); e.Received != want {
			t.Errorf("%s is %d", text, e.Received)
		}
	}
	for _, text := range []string{"-1", "0.5", "9007199254740993", "9007199254740994.0", "1e17", "1e400", "true", "null", `"1"`, "18446744073709551616"} {
		var e Envelope
		if r := e.Parse([]byte(`{"type":"resume","session":"s","received":` + text + `}`)); CodeOf(r) != CodeBadMessage {
			t.Errorf("%s is taken as %d", text, e.Received)
		}
	}
}

// Two spellings address one member, are one room, and are one sender.
func TestFieldsInNormalForm(t *testing.T) {
	e := parse(t, "{\"type\":\"join\",\"room\":\"Cafe\u0301\",\"from\":\"Zoe\u0308\",\"name\":\"Zoe\\u0308\u3000L\"}")
	if string(e.Room) != "Café" || string(e.From) != "Zoë" || string(e.Name) != "Zoë L" {
		t.Errorf("join: room %+q, from %+q, name %+q", e.Room, e.From, e.Name)
	}
	e = parse(t, "{\"type\":\"rename\",\"name\":\"Zoe\u0308\"}")
	if string(e.Name) != "Zoë" {
		t.Errorf("rename: %+q", e.Name)
	}
	for _, text := range []string{
		`{"type":"offer","sdp":1,`, `{"type":"answer","sdp":1,`, `{"type":"candidate","candidate":null,`, `{"type":"hangup",`,
		`{"type":"message","data":1,`, `{"type":"kick",`,
	} {
		e := parse(t, text+"\"to\":\"Zoe\u0308\",\"from\":\"a\u0308\",\"room\":\"Cafe\u0301\"}")
		if string(e.To) != "Zoë" || string(e.From) != "ä" || string(e.Room) != "Café" {
			t.Errorf("%v: to %+q, from %+q, room %+q", e.Type, e.To, e.From, e.Room)
		}
	}
}

// Nothing of one message is in the next that is read into the same envelope.
func TestEnvelopeIsUsedAgain(t *testing.T) {
	var e Envelope
	for range 3 {
		if r := e.Parse([]byte(`{"type":"join","room":"r","from":"a","ref":"1","takeover":true,"x":1,"Room":2,` + numbered(30) + `}`)); r != nil {
			t.Fatal(r)
		}
		if r := e.Parse([]byte(`{"type":"hangup","to":"b","x":1,` + numbered(30) + `}`)); r != nil {
			t.Fatal(r)
		}
		if e.Room != nil || e.From != nil || e.Ref != nil || e.Takeover || e.Has(FieldRoom) {
			t.Errorf("still there: %+v", e)
		}
		if got, want := opened(&e, "r", "a"), `{"type":"hangup","to":"b","x":1,`+numbered(30)+`,"room":"r","from":"a"}`; got != want {
			t.Errorf("got %s", got)
		}
		if r := e.Parse([]byte(`{"type":"hangup","to":"b"`)); r == nil || e.Type != TypeUnknown || e.To != nil || e.Has(FieldTo) {
			t.Errorf("%v leaves %+v", r, e)
		}
	}
}

// The set of names grows from a list to a map without forgetting one.
func TestManyUnknownNames(t *testing.T) {
	for _, n := range []int{15, 16, 17, 18, 40} {
		parse(t, `{"type":"ping",`+numbered(n)+`}`)
		for again := range n {
			var e Envelope
			text := fmt.Sprintf(`{"type":"ping",%s,"n%d":2}`, numbered(n), again)
			if r := e.Parse([]byte(text)); r != errDuplicate {
				t.Fatalf("%d names, n%d twice: %v", n, again, r)
			}
		}
	}
}

// A tag comes back as it was sent, up to 64 bytes.
func TestRefLength(t *testing.T) {
	ref := strings.Repeat("r", MaxRef)
	if e := parse(t, `{"type":"ping","ref":"`+ref+`"}`); string(e.Ref) != ref || !e.Has(FieldRef) {
		t.Errorf("64 bytes are read as %q", e.Ref)
	}
	var e Envelope
	if r := e.Parse([]byte(`{"type":"ping","ref":"` + ref + `r"}`)); r != errRefLength || e.Ref != nil || e.Has(FieldRef) {
		t.Errorf("65 bytes: %v, ref %q", r, e.Ref)
	}
}

// Text is cut between characters.
func TestCut(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		want string
	}{
		{"", 0, ""}, {"abc", 3, "abc"}, {"abc", 2, "ab"}, {"abc", 0, ""}, {"é", 2, "é"}, {"é", 1, ""}, {"aé", 2, "a"}, {"aéb", 3, "aé"},
		{"€x", 3, "€"}, {"€", 2, ""}, {"€", 1, ""}, {"😀😀", 7, "😀"}, {"😀😀", 5, "😀"}, {"😀😀", 4, "😀"}, {"😀", 3, ""}, {"a😀", 4, "a"},
		{"\x80\x80\x80\x80\x80\x80", 5, "\x80\x80\x80\x80\x80"}, {"\xff\xff", 1, "\xff"},
		{"ab\x80\x80\x80\x80\x80", 5, "ab\x80\x80\x80"},
	} {
		if got := Cut(c.text, c.n); got != c.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", c.text, c.n, got, c.want)
		}
		if got := Cut([]byte(c.text), c.n); got != c.want {
			t.Errorf("Cut([]byte(%q), %d) = %q, want %q", c.text, c.n, got, c.want)
		}
	}
}
