package dialect

// Base is the smallest protocol that parleyd speaks: join, a list of members,
// offers, answers and candidates with room, from and to.
var _ = register(&Dialect{
	Name:       "base",
	Membership: true,
	URL:        here,
	Join: func(b []byte, room, id string, _ bool) []byte {
		b = append(append(append(b, `{"type":"join","room":"`...), room...), `","from":"`...)
		return append(append(b, id...), `"}`...)
	},
	Leave:   []byte(`{"type":"leave"}`),
	Message: baseMessage,
	Read:    readParley,
})

func baseMessage(b []byte, m *Message) []byte {
	b = append(append(b, `{"type":"`...), m.Stamp.Kind.String()...)
	b = append(append(b, `","room":"`...), m.Room...)
	b = append(append(b, `","from":"`...), m.From...)
	b = append(append(append(b, `","to":"`...), m.To...), `",`...)
	return appendBody(b, m)
}
