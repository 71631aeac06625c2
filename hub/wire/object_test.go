package wire

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestEachMemberReadsObjectsAndNothingElse(t *testing.T) {
	for text, want := range map[string]string{
		`{}`: "", ` { "a" : 1 , "b":[1,{"c":2}] } `: `a=1 b=[1,{"c":2}] `, `{"\u0061":"\n"}`: `a="\n" `, `{"a":1,"a":2}`: "a=1 a=2 ",
		``: "!", `[]`: "!", `1`: "!", `null`: "!", `{`: "!", `{"a"}`: "!", `{"a":}`: "!", `{"a":1,}`: "!", `{,}`: "!", `{"a":1}x`: "!", `{a:1}`: "!", `{"a" 1}`: "!",
		`{"a":1 "b":2}`: "!", `{"a":01}`: "!",
	} {
		var got strings.Builder
		if !EachMember([]byte(text), func(name, value []byte) { got.WriteString(string(name) + "=" + string(value) + " ") }) {
			got.Reset()
			got.WriteString("!")
		}
		if got.String() != want {
			t.Errorf("%s: %s, want %s", text, got.String(), want)
		}
	}
}

func TestEachElementReadsArraysAndNothingElse(t *testing.T) {
	for text, want := range map[string][]string{`[]`: {}, ` []`: nil, `[1, "a" ,[2]]`: {"1", `"a"`, "[2]"}, `{}`: nil, `1`: nil, ``: nil} {
		got := []string{}
		if !EachElement([]byte(text), func(e []byte) { got = append(got, string(e)) }) {
			got = nil
		}
		if !slices.Equal(got, want) || got == nil != (want == nil) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestStringsAndCounts(t *testing.T) {
	for value, want := range map[string]string{`"a\u00e9"`: "aé", `""`: "", `"\ud800"`: "!", `1`: "!", `null`: "!", ``: "!"} {
		got, ok := String([]byte(value))
		if !ok {
			got = []byte("!")
		}
		if string(got) != want {
			t.Errorf("%s: %q, want %q", value, got, want)
		}
	}
	for value, want := range map[string]uint64{"0": 0, "7": 7, "1e2": 100} {
		if got, ok := Count([]byte(value)); !ok || got != want {
			t.Errorf("%s: %d, %v", value, got, ok)
		}
	}
	for _, value := range []string{"-1", "1.5", `"1"`, "1e99"} {
		if got, ok := Count([]byte(value)); ok {
			t.Errorf("%s: %d", value, got)
		}
	}
}

// A server's message is read whole; of a member's, only the fields that its type forwards.
func TestDeliveredMessages(t *testing.T) {
	var d Delivered
	for text, is := range map[string]func() bool{
		`{"type":"joined","room":"r","from":"a","ice_servers":[1]}`: func() bool { return d.Type == TypeJoined && string(d.Room) == "r" && string(d.ICEServers) == "[1]" },
		`{"type":"room_members","room":"r","members":["a","b"],"meta":{"a":1}}`: func() bool {
			return d.Type == TypeRoomMembers && string(d.Members) == `["a","b"]` && string(d.Meta) == `{"a":1}`
		},
		`{"type":"room_changes","joined":["c"],"left":["a"],"rejoined":["b"],"count":2}`: func() bool {
			return d.Type == TypeRoomChanges && string(d.Joined) == `["c"]` && string(d.Left) == `["a"]` && string(d.Rejoined) == `["b"]` && d.Count == 2
		},
		`{"sdp":{"a":1},"data":2,"candidate":3,"type":"offer","to":"b","room":"r","from":"a"}`: func() bool {
			return d.Type == TypeOffer && string(d.Body) == `{"a":1}` && string(d.To) == "b" && string(d.From) == "a"
		},
		`{"type":"candidate","sdp":1,"candidate":3,"from":"a"}`: func() bool { return string(d.Body) == "3" },
		`{"type":"message","data":2,"sdp":1,"from":"a"}`:        func() bool { return string(d.Body) == "2" },
		`{"type":"hangup","data":2,"from":"a"}`:                 func() bool { return d.Type == TypeHangup && d.Body == nil },
		`{"type":"error","code":"room_full","error":"no","re":"join","to":"b","ref":"1"}`: func() bool {
			return ParseCode(d.Code) == CodeRoomFull && string(d.Text) == "no" && string(d.Re) == "join" && string(d.Ref) == "1"
		},
	} {
		if !d.Read([]byte(text)) || !is() {
			t.Errorf("%s is read as %+v", text, d)
		}
	}
	for _, text := range []string{"", "{}", `{"type":"nonsense"}`, `{"type":1}`, `{"type":"unknown"}`, `{"type":"offer"`} {
		if d.Read([]byte(text)) {
			t.Errorf("%s is read as %+v", text, d)
		}
	}
	if ParseCode([]byte("nonsense")) != NoCode {
		t.Error("a code that there is not")
	}
}

// FuzzEachMember holds EachMember against encoding/json.
func FuzzEachMember(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1}`, ` {"a" : [1,{"b":null}], "é":"\ud83d\ude00"} `, `{"a":1}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var want map[string]json.RawMessage
		isObject := json.Unmarshal([]byte(text), &want) == nil && want != nil
		got := map[string]string{}
		ok := EachMember([]byte(strings.ToValidUTF8(text, "?")), func(name, value []byte) { got[string(name)] = string(value) })
		if ok && !isObject && strings.ToValidUTF8(text, "?") == text {
			t.Fatalf("%q is taken for an object", text)
		}
		for name, value := range got {
			if raw, there := want[name]; ok && isObject && there && string(raw) != value {
				t.Errorf("%q: %q is %s, not %s", text, name, value, raw)
			}
		}
	})
}
