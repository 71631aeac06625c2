package wire

// Suffixes are the ends that the server puts on messages that one member sends:
// its room and id, quoted once when it joins.
type Suffixes struct{ room, from, both []byte }

// NewSuffixes makes the ends for a member of room whose id is from.
func NewSuffixes(room, from string) Suffixes {
	r := AppendQuoted([]byte(`,"room":`), room)
	f := AppendQuoted([]byte(`,"from":`), from)
	both := append(append([]byte(nil), r...), f...)
	return Suffixes{room: both[:len(r):len(r)], from: both[len(r):], both: both}
}

// AppendForward appends the message as its receivers get it: the bytes that came,
// with room and from as s has them where [Envelope.Open] says that they are missing.
func (e *Envelope) AppendForward(dst []byte, s *Suffixes) []byte {
	text, missing := e.Open()
	dst = append(dst, text...)
	switch missing {
	case FieldRoom | FieldFrom:
		dst = append(dst, s.both...)
	case FieldRoom:
		dst = append(dst, s.room...)
	case FieldFrom:
		dst = append(dst, s.from...)
	}
	return append(dst, '}')
}

// ForwardSize is the most that AppendForward appends, in bytes.
func (e *Envelope) ForwardSize(s *Suffixes) int { return e.end + len(s.both) + 1 }

// Open returns a message to be forwarded, up to its closing brace, and says which of
// FieldRoom and FieldFrom it lacks. The caller appends those with the sender's room and
// id, and then the brace. The client's own room and from stay, unless a reader could
// take another field or another spelling for them. The
// caller has checked that they are the sender's own.
//
// The server's fields stand last, so that readers that ignore the case of
// names read them, too. The text must not be changed; it may be that of the message.
func (e *Envelope) Open() (text []byte, missing Field) {
	const own = FieldRoom | FieldFrom
	if e.lookalikes {
		return e.stripped(), own
	}
	return e.text[:e.end], own &^ e.has
}

// stripped returns a copy of the text up to the closing brace without the client's
// own room and from.
func (e *Envelope) stripped() []byte {
	first, second := e.roomAt, e.fromAt
	if first.start > second.start {
		first, second = second, first
	}
	out := append([]byte(nil), e.text[:e.end]...)
	for _, s := range [...]span{second, first} {
		if s.end > 0 {
			out = without(out, s)
		}
	}
	return out
}

// without removes a member from the open object in text, which has others. With it
// goes the comma behind it, or, for the last member, the one before.
func without(text []byte, s span) []byte {
	if after := skipSpace(text, s.end); after < len(text) && text[after] == ',' {
		return append(text[:s.start], text[after+1:]...)
	}
	before := s.start - 1
	for text[before] != ',' {
		before--
	}
	return text[:before]
}

// Compose appends to b the text of a message that a member passes on, and sets e to what
// [Envelope.Parse] would read from it. The refusal is the one that Parse would return, or nil. t is
// a type that is passed on. An empty to means all other members. body is the message's sdp,
// candidate or data: valid JSON, or empty; types without one ignore it. ref is valid text of at
// most [MaxRef] bytes.
func (e *Envelope) Compose(b []byte, t Type, to, body, ref []byte) ([]byte, *Refusal) {
	e.reset(nil)
	start := len(b)
	e.Type, e.has = t, FieldType|FieldRef
	b = append(append(append(b, `{"type":"`...), types[t].name...), '"')
	e.TypeName = b[len(b)-1-len(types[t].name) : len(b)-1]
	if len(to) > 0 {
		e.To = Normal(to)
		e.has |= FieldTo
		b = AppendQuoted(append(b, `,"to":`...), to)
	}
	if f := types[t].required &^ FieldTo; f != 0 && len(body) > 0 {
		e.has |= f
		b = append(append(append(append(b, ',', '"'), f.info().name...), '"', ':'), body...)
		if f == FieldData {
			e.Data = body
		}
	}
	e.Ref = ref
	b = AppendQuoted(append(b, `,"ref":`...), ref)
	e.end = len(b) - start
	b = append(b, '}')
	e.text = b[start:]
	return b, e.check()
}
