package wire

import (
	"bytes"
	"math"
	"strconv"
)

// Field is a set of envelope fields.
type Field uint32

// The fields that a client's message can have. Any others are unknown and stay
// in forwarded messages untouched.
const (
	FieldType Field = 1 << iota
	FieldRoom
	FieldFrom
	FieldTo
	FieldSDP
	FieldCandidate
	FieldData
	FieldMembers
	FieldNames
	FieldName
	FieldRef
	FieldToken
	FieldSession
	FieldReceived
	FieldResumable
	FieldPasscode
	FieldTakeover
	FieldMeta
)

// Envelope is what the server reads of a client's message. Its byte slices point
// into the text that was parsed, or to unescaped copies, and are valid as long
// as that text is. A field that the message does not have is empty; Has tells.
type Envelope struct {
	Fields

	unknown names // of members; not on the stack, which is to stay small
}

// Fields are what an Envelope has read.
type Fields struct {
	Type      Type
	TypeName  []byte // the type as the client wrote it, also when it is unknown
	Room      []byte
	From      []byte
	To        []byte
	Name      []byte
	Ref       []byte
	Token     []byte
	Session   []byte
	Passcode  []byte
	Received  uint64
	Resumable bool
	Takeover  bool
	Meta      []byte // JSON; nil: absent or null

	has Field
	// Where the object and its own room and from stand in text, for forwarding.
	text       []byte
	end        int // offset of the closing brace
	roomAt     span
	fromAt     span
	lookalikes bool // a name equals room or from but for case
}

// span is a member of the object, from its name's quote to the end of its value.
type span struct{ start, end int }

// Has reports whether the message has all the fields of f.
func (e *Envelope) Has(f Field) bool { return e.has&f == f }

// Refusals of what is no message of the protocol.
var (
	errNotJSON   = &Refusal{Code: CodeBadMessage, Text: "the message is not one JSON object"}
	errDuplicate = &Refusal{Code: CodeBadMessage, Text: "a field name stands twice"}
	errFieldType = &Refusal{Code: CodeBadMessage, Text: "a field has the wrong type"}
	errNoType    = &Refusal{Code: CodeBadMessage, Text: "the field \"type\" is missing"}
	errRefLength = &Refusal{Code: CodeBadMessage, Text: "\"ref\" is longer than 64 bytes or not valid text"}
	errMissing   = &Refusal{Code: CodeBadMessage, Text: "a field that this type needs is missing"}
	errUnknown   = &Refusal{Code: CodeUnknownType, Text: "there is no message of this type"}
	errMeta      = &Refusal{Code: CodeBadMessage, Text: "\"meta\" is larger than 1024 bytes"}
	errRoom      = &Refusal{Code: CodeInvalidRoom, Text: "a room name is 1 to 128 bytes, printable, with no space at either end"}
	errID        = &Refusal{Code: CodeInvalidID, Text: "an id is 1 to 64 bytes, printable, with no space at either end"}
	errName      = &Refusal{Code: CodeInvalidName, Text: "a nickname is 1 to 64 bytes, printable, with no space at either end"}
)

// required lists the fields without which a message of a type means nothing.
var required = [NumTypes]Field{
	TypeJoin:      FieldRoom,
	TypeOffer:     FieldTo | FieldSDP,
	TypeAnswer:    FieldTo | FieldSDP,
	TypeCandidate: FieldTo | FieldCandidate,
	TypeHangup:    FieldTo,
	TypeMessage:   FieldData,
	TypeRename:    FieldName,
	TypeResume:    FieldSession | FieldReceived,
	TypeToken:     FieldToken,
	TypeKick:      FieldTo,
	TypeUpdate:    FieldMeta,
}

// Parse reads the envelope of text, which must be valid UTF-8, into e. It
// returns nil, or why the message is refused. After a refusal for a field, Type,
// To and Ref still hold what could be read; after one for the JSON itself
// nothing does.
func (e *Envelope) Parse(text []byte) *Refusal {
	e.Fields = Fields{text: text}
	e.unknown.reset()
	if r := e.scan(); r != nil {
		e.Fields = Fields{}
		return r
	}
	if len(e.Ref) > MaxRef || bytes.IndexByte(e.Ref, 0xFF) >= 0 {
		e.Ref, e.has = nil, e.has&^FieldRef
		return errRefLength
	}
	if e.has&wrongType != 0 {
		return errFieldType
	}
	return e.check()
}

// Marks among the fields: some field had a value of the wrong type; the passcode
// did, which only a join has, so that it is nobody's business elsewhere.
const (
	wrongType Field = 1 << (31 - iota)
	wrongPasscode
)

// check holds the fields against what the type needs.
func (e *Envelope) check() *Refusal {
	switch {
	case !e.Has(FieldType):
		return errNoType
	case e.Type == TypeUnknown:
		return errUnknown
	case !e.Has(required[e.Type]):
		return errMissing
	}
	switch e.Type {
	case TypeJoin:
		switch {
		case !ValidRoom(e.Room):
			return errRoom
		case e.Has(FieldFrom) && !ValidID(e.From):
			return errID
		case e.Has(FieldName) && !ValidName(e.Name):
			return errName
		case e.Has(wrongPasscode):
			return errFieldType
		case len(e.Meta) > MaxMeta:
			return errMeta
		}
	case TypeUpdate:
		if len(e.Meta) > MaxMeta {
			return errMeta
		}
	case TypeRename:
		if len(e.Name) > 0 && !ValidName(e.Name) {
			return errName
		}
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
		if f != 0 && e.has&f != 0 || f == 0 && !e.unknown.add(name) {
			return errDuplicate
		}
		if f != 0 {
			e.has |= f
			e.set(f, b[value:i], span{start, i})
		} else if isLookalike(name) {
			e.lookalikes = true
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

func fieldOf(name []byte) Field {
	switch string(name) {
	case "type":
		return FieldType
	case "room":
		return FieldRoom
	case "from":
		return FieldFrom
	case "to":
		return FieldTo
	case "sdp":
		return FieldSDP
	case "candidate":
		return FieldCandidate
	case "data":
		return FieldData
	case "members":
		return FieldMembers
	case "names":
		return FieldNames
	case "name":
		return FieldName
	case "ref":
		return FieldRef
	case "token":
		return FieldToken
	case "session":
		return FieldSession
	case "received":
		return FieldReceived
	case "resumable":
		return FieldResumable
	case "passcode":
		return FieldPasscode
	case "takeover":
		return FieldTakeover
	case "meta":
		return FieldMeta
	}
	return 0
}

// isLookalike finds names that a reader which ignores case would take for room
// or from.
func isLookalike(name []byte) bool {
	return bytes.EqualFold(name, []byte("from")) || bytes.EqualFold(name, []byte("room"))
}

// set keeps the value of a known field, or notes that its type is wrong.
func (e *Envelope) set(f Field, value []byte, at span) {
	ok := true
	switch f {
	case FieldType:
		if e.TypeName, ok = stringValue(value); ok {
			e.Type = ClientType(e.TypeName)
		}
	case FieldRoom:
		e.Room, ok = stringValue(value)
		e.roomAt = at
	case FieldFrom:
		e.From, ok = stringValue(value)
		e.fromAt = at
	case FieldTo:
		e.To, ok = stringValue(value)
	case FieldName:
		e.Name, ok = stringValue(value)
	case FieldRef:
		e.Ref, ok = stringValue(value)
	case FieldToken:
		e.Token, ok = stringValue(value)
	case FieldSession:
		e.Session, ok = stringValue(value)
	case FieldPasscode:
		if e.Passcode, ok = stringValue(value); !ok {
			e.has |= wrongPasscode
			return
		}
	case FieldReceived:
		e.Received, ok = countValue(value)
	case FieldResumable:
		e.Resumable = value[0] == 't'
		ok = value[0] == 't' || value[0] == 'f'
	case FieldTakeover:
		e.Takeover = value[0] == 't'
		ok = value[0] == 't' || value[0] == 'f'
	case FieldMeta:
		if value[0] != 'n' {
			e.Meta = value
		}
	case FieldMembers:
		ok = isStringArray(value)
	case FieldNames:
		ok = value[0] == '{'
	}
	if !ok {
		e.has |= wrongType
	}
}

func stringValue(v []byte) ([]byte, bool) {
	if v[0] != '"' {
		return nil, false
	}
	v = v[1 : len(v)-1]
	if bytes.IndexByte(v, '\\') >= 0 {
		v = unescape(v)
	}
	return v, true
}

// countValue reads a whole number from 0 to 2^53, what every JSON reader can
// hold.
func countValue(v []byte) (uint64, bool) {
	if n, err := strconv.ParseUint(string(v), 10, 64); err == nil {
		return n, n <= 1<<53
	}
	x, err := strconv.ParseFloat(string(v), 64)
	if err != nil || x < 0 || x > 1<<53 || x != math.Trunc(x) {
		return 0, false
	}
	return uint64(x), true
}

// isStringArray looks at the elements of a value that is known to be JSON.
func isStringArray(v []byte) bool {
	if v[0] != '[' {
		return false
	}
	i := skipSpace(v, 1)
	for v[i] != ']' {
		if v[i] != '"' {
			return false
		}
		i, _ = skipString(v, i)
		if i = skipSpace(v, i); v[i] == ',' {
			i = skipSpace(v, i+1)
		}
	}
	return true
}

// names is the set of an object's unknown names: a short list, and a map once
// there are many.
type names struct {
	list [16][]byte
	n    int
	more map[string]struct{}
}

func (s *names) reset() { s.n, s.more = 0, nil }

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
