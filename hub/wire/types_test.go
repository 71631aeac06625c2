package wire

import (
	"slices"
	"testing"
)

// Servers of different versions understand each other: numbers of types and bits
// of rights stay what they are.
func TestNumbersOnTheWire(t *testing.T) {
	names := []string{
		"unknown", "join", "leave", "offer", "answer", "candidate", "hangup", "message", "rename", "ping", "resume", "ice", "token",
		"kick", "lock", "unlock", "update", "joined", "room_members", "pong", "resumed", "error", "report", "room_changes",
	}
	if len(names) != NumTypes {
		t.Fatalf("%d types, and %d are pinned here", NumTypes, len(names))
	}
	for n, want := range names {
		if got := Type(n).String(); got != want {
			t.Errorf("type %d is %q, and was %q", n, got, want)
		}
	}
	if MaySend != 1 || MayMessage != 2 || MayModerate != 4 {
		t.Errorf("send %d, message %d, moderate %d", MaySend, MayMessage, MayModerate)
	}
}

// A client's types are known by their names, and no other names are.
func TestClientTypes(t *testing.T) {
	server := []Type{TypeUnknown, TypeJoined, TypeRoomMembers, TypePong, TypeResumed, TypeError, TypeRoomChanges}
	for typ := TypeUnknown; int(typ) < NumTypes; typ++ {
		want := typ
		if slices.Contains(server, typ) {
			want = TypeUnknown
		}
		if got := ClientType(typ.String()); got != want {
			t.Errorf("ClientType(%q) = %v", typ, got)
		}
		if got := ClientType([]byte(typ.String())); got != want {
			t.Errorf("ClientType([]byte(%q)) = %v", typ, got)
		}
	}
	for _, name := range []string{"", "j", "Join", "joins", "a name of 15 b.", "a name of 16 by.", "a name of more bytes than any"} {
		if got := ClientType(name); got != TypeUnknown {
			t.Errorf("ClientType(%q) = %v", name, got)
		}
	}
}

// Only these are passed on, and only with these rights.
func TestRightsOfTypes(t *testing.T) {
	for typ := TypeUnknown; int(typ) < NumTypes; typ++ {
		var needs Rights
		forwarded := true
		switch typ {
		case TypeOffer, TypeAnswer, TypeCandidate, TypeHangup:
			needs = MaySend
		case TypeMessage:
			needs = MayMessage
		case TypeKick, TypeLock, TypeUnlock:
			needs, forwarded = MayModerate, false
		default:
			forwarded = false
		}
		if typ.Needs() != needs || typ.Forwarded() != forwarded {
			t.Errorf("%v needs %v, forwarded %v", typ, typ.Needs(), typ.Forwarded())
		}
	}
}

func TestRights(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  Rights
		back  string
	}{
		{nil, 0, ""},
		{[]string{"send"}, MaySend, "send"},
		{[]string{"moderate", "message"}, MayMessage | MayModerate, "message,moderate"},
		{[]string{"moderate", "send", "message", "send"}, MaySend | MayMessage | MayModerate, "send,message,moderate"},
		{[]string{"fly", "Send", ""}, 0, ""},
	} {
		got := ParseRights(c.names)
		if got != c.want || got.String() != c.back {
			t.Errorf("ParseRights(%q) = %v", c.names, got)
		}
	}
	if DefaultRights != MaySend|MayMessage {
		t.Errorf("the default rights are %v", DefaultRights)
	}
	if (Rights(0)).Names() == nil {
		t.Error("no rights are an empty list, not none")
	}
}

func BenchmarkClientType(b *testing.B) {
	for _, name := range []string{"candidate", "offer", "message", "update", "nothing"} {
		b.Run(name, func(b *testing.B) {
			text := []byte(name)
			for b.Loop() {
				if ClientType(text) == TypeError {
					b.Fatal()
				}
			}
		})
	}
}
