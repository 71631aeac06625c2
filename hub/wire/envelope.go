package wire

import "bytes"

// Envelope is what the server reads of a client's message. Its byte slices point
// into the parsed text, or to copies if a field has escapes or is not in its normal
// form. They are valid as long as the text is. A field that the message
// does not have is empty; Has tells. Room, From, To and a join's Name are in their
// normal forms, see [Normal].
type Envelope struct {
	Type      Type
	TypeName  []byte // the type as the client wrote it, also when it is unknown
	Room      []byte
	From      []byte
	To        []byte
	Name      []byte
	Ref       []byte
	Token     []byte
	Session   []byte // at most MaxSession bytes in a resume
	Passcode  []byte
	Received  uint64
	Resumable bool
	Takeover  bool
	Changes   bool
	Data      []byte // JSON
	Meta      []byte // JSON, at most MaxMeta bytes in a join and an update; nil: absent or null

	has, wrong Field // the fields that are there; those whose value has the wrong type
	// Where the object and its own room and from stand in text, for forwarding.
	text       []byte
	end        int // offset of the closing brace
	roomAt     span
	fromAt     span
	lookalikes bool   // a field could be mistaken for room or from: the client's own are not passed on
	unknown    *names // kept from one message to the next
}

// span is a member of the object, from its name's quote to the end of its value.
type span struct{ start, end int }

// Has reports whether the message has all the fields of f.
func (e *Envelope) Has(f Field) bool { return e.has&f == f }

// Refusals of what is no message of the protocol.
var (
	errNotJSON   = &Refusal{Code: CodeBadMessage, Text: "the message is not one JSON object"}
	errDuplicate = &Refusal{Code: CodeBadMessage, Text: "a field name appears twice in the message"}
	errRefLength = &Refusal{Code: CodeBadMessage, Text: "\"ref\" is longer than 64 bytes"}
	errRefText   = &Refusal{Code: CodeBadMessage, Text: "\"ref\" is not valid text: it has half of a surrogate pair"}
	errNoType    = &Refusal{Code: CodeBadMessage, Text: "\"type\" is missing"}
	errUnknown   = &Refusal{Code: CodeUnknownType, Text: "a client cannot send a message of this type"}
	errMeta      = &Refusal{Code: CodeBadMessage, Text: "\"meta\" is longer than 1024 bytes"}
	errSession   = &Refusal{Code: CodeSessionExpired, Text: "\"session\" is longer than 64 bytes: the server gave no such session"}
)

// Parse reads the envelope of text, which must be valid UTF-8, into e. It
// returns nil, or why the message is refused. After a refusal for a field, Type,
// To and Ref still hold what could be read; after one for the JSON itself
// nothing does.
func (e *Envelope) Parse(text []byte) *Refusal {
	e.reset(text)
	if r := e.scan(); r != nil {
		e.reset(nil)
		return r
	}
	e.normalize()
	switch {
	case len(e.Ref) > MaxRef:
		e.Ref, e.has = nil, e.has&^FieldRef
		return errRefLength
	case bytes.IndexByte(e.Ref, 0xFF) >= 0:
		e.Ref, e.has = nil, e.has&^FieldRef
		return errRefText
	}
	return e.check()
}

func (e *Envelope) reset(text []byte) {
	unknown := e.unknown
	unknown.reset()
	*e = Envelope{text: text, unknown: unknown}
}

// normalize puts what names a room or a member into its normal form. A room or
// from that was written in another form is not passed on: receivers see one
// spelling.
func (e *Envelope) normalize() {
	if e.has&(FieldRoom|FieldFrom) != 0 {
		room, from := Normal(e.Room), Normal(e.From)
		if !bytes.Equal(room, e.Room) || !bytes.Equal(from, e.From) {
			e.lookalikes = true
		}
		e.Room, e.From = room, from
	}
	e.To = Normal(e.To)
}

// check holds the fields against what the type needs.
func (e *Envelope) check() *Refusal {
	wrong := e.wrong
	if e.Type != TypeJoin {
		wrong &^= joinOnly
	}
	switch missing := types[e.Type].required &^ e.has; {
	case wrong != 0:
		return wrong.info().wrong
	case !e.Has(FieldType):
		return errNoType
	case e.Type == TypeUnknown:
		return errUnknown
	case missing != 0:
		return missing.info().missing
	}
	switch e.Type {
	case TypeJoin:
		if r := e.checkNames(); r != nil {
			return r
		}
		return e.checkMeta()
	case TypeUpdate:
		return e.checkMeta()
	case TypeRename:
		if len(e.Name) > 0 {
			return aName.normal(&e.Name)
		}
	case TypeResume:
		if len(e.Session) > MaxSession {
			return errSession
		}
	}
	return nil
}

// checkNames puts the names in a join into their normal forms.
func (e *Envelope) checkNames() *Refusal {
	if r := aRoom.normal(&e.Room); r != nil {
		return r
	}
	if e.Has(FieldFrom) {
		if r := anID.normal(&e.From); r != nil {
			return r
		}
	}
	if e.Has(FieldName) {
		return aName.normal(&e.Name)
	}
	return nil
}

func (e *Envelope) checkMeta() *Refusal {
	if len(e.Meta) > MaxMeta {
		return errMeta
	}
	return nil
}

// scan reads the top-level object.
func (e *Envelope) scan() *Refusal {
	b := e.text
	i := skipSpace(b, 0)
	if i >= len(b) || b[i] != '{' {
		return errNotJSON
	}
	i = skipSpace(b, i+1)
	for first := true; ; first = false {
		if i >= len(b) {
			return errNotJSON
		}
		if first && b[i] == '}' {
			break
		}
		start := i
		if b[i] != '"' {
			return errNotJSON
		}
		end, escaped := skipString(b, i)
		if end < 0 {
			return errNotJSON
		}
		name := b[i+1 : end-1]
		if escaped {
			name = unescape(name)
		}
		if i = skipSpace(b, end); i >= len(b) || b[i] != ':' {
			return errNotJSON
		}
		value := skipSpace(b, i+1)
		if i = skipValue(b, value); i < 0 {
			return errNotJSON
		}
		f := fieldOf(name)
		if f != 0 {
			if e.has&f != 0 {
				return f.info().twice
			}
			e.has |= f
			e.set(f, b[value:i], span{start, i})
		} else if !e.addUnknown(name) {
			return errDuplicate
		}
		if i = skipSpace(b, i); i >= len(b) {
			return errNotJSON
		}
		if b[i] == '}' {
			break
		}
		if b[i] != ',' {
			return errNotJSON
		}
		i = skipSpace(b, i+1)
	}
	e.end = i
	if skipSpace(b, i+1) != len(b) {
		return errNotJSON
	}
	return nil
}

// addUnknown notes the name of an unknown field. It reports false if the message has
// it twice.
func (e *Envelope) addUnknown(name []byte) bool {
	// A reader that ignores case would take these for the server's own fields.
	if bytes.EqualFold(name, []byte("from")) || bytes.EqualFold(name, []byte("room")) {
		e.lookalikes = true
	}
	if e.unknown == nil {
		e.unknown = new(names)
	}
	return e.unknown.add(name)
}

// names is the set of an object's unknown names: a short list, and a map once
// there are many.
type names struct {
	list [16][]byte
	n    int
	more map[string]struct{}
}

func (s *names) reset() {
	if s != nil {
		s.n, s.more = 0, nil
	}
}

// add reports false if the name is there already.
func (s *names) add(name []byte) bool {
	if s.n < len(s.list) {
		for _, have := range s.list[:s.n] {
			if bytes.Equal(have, name) {
				return false
			}
		}
		s.list[s.n] = name
		s.n++
		return true
	}
	if s.more == nil {
		s.more = make(map[string]struct{})
		for _, have := range s.list {
			s.more[string(have)] = struct{}{}
		}
	}
	if _, dup := s.more[string(name)]; dup {
		return false
	}
	s.more[string(name)] = struct{}{}
	return true
}
