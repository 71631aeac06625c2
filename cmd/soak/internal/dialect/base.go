package dialect

import "encoding/json"

// Base is the smallest protocol that parleyd speaks: join, a list of members,
// offers, answers and candidates with room, from and to.
var _ = register(&Dialect{
	Name:       "base",
	Membership: true,
	URL:        here,
	Join:       func(b []byte, e *Entry) []byte { return append(join(b, e), '}') },
	Renew:      renew,
	Leave:      []byte(`{"type":"leave"}`),
	Message:    baseMessage,
	Read:       readParley,
})

// join appends a join without its end.
func join(b []byte, e *Entry) []byte {
	b = append(append(append(b, `{"type":"join","room":"`...), e.Room...), `","from":"`...)
	b = append(append(b, e.ID...), '"')
	if e.Token != "" {
		b = append(append(b, `,"token":`...), quoted(e.Token)...)
	}
	if e.Passcode != "" {
		b = append(append(b, `,"passcode":`...), quoted(e.Passcode)...)
	}
	return b
}

func renew(b []byte, token string) []byte {
	return append(append(append(b, `{"type":"token","token":`...), quoted(token)...), '}')
}

// quoted returns a text as a JSON string.
func quoted(text string) []byte {
	b, _ := json.Marshal(text) // a string can be
	return b
}

func baseMessage(b []byte, m *Message) []byte {
	b = append(append(b, `{"type":"`...), m.Stamp.Kind.String()...)
	b = append(append(b, `","room":"`...), m.Room...)
	b = append(append(b, `","from":"`...), m.From...)
	b = append(append(append(b, `","to":"`...), m.To...), `",`...)
	return appendBody(b, m)
}
