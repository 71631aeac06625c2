package wire

import (
	"bytes"
	"math"
	"math/bits"
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
	FieldChanges

	numFields = iota
)

// joinOnly are the fields whose type only matters in a join: elsewhere they may
// belong to the application.
const joinOnly = FieldPasscode | FieldTakeover | FieldChanges

// fieldInfo has a field's name and the refusals that are about it.
type fieldInfo struct {
	name                  string
	wrong, missing, twice *Refusal
}

// fieldInfos has a field's entry at the number of its bit.
var fieldInfos = func() (infos [numFields]fieldInfo) {
	for _, f := range [...]struct {
		field      Field
		name, kind string
	}{
		{FieldType, "type", "a string"},
		{FieldRoom, "room", "a string"},
		{FieldFrom, "from", "a string"},
		{FieldTo, "to", "a string"},
		{FieldSDP, "sdp", "JSON"},
		{FieldCandidate, "candidate", "JSON"},
		{FieldData, "data", "JSON"},
		{FieldMembers, "members", "an array of strings"},
		{FieldNames, "names", "an object"},
		{FieldName, "name", "a string"},
		{FieldRef, "ref", "a string"},
		{FieldToken, "token", "a string"},
		{FieldSession, "session", "a string"},
		{FieldReceived, "received", "a whole number from 0 to 2^53"},
		{FieldResumable, "resumable", "true or false"},
		{FieldPasscode, "passcode", "a string"},
		{FieldTakeover, "takeover", "true or false"},
		{FieldMeta, "meta", "JSON"},
		{FieldChanges, "changes", "true or false"},
	} {
		quoted := strconv.Quote(f.name)
		infos[f.field.number()] = fieldInfo{
			name:    f.name,
			wrong:   &Refusal{Code: CodeBadMessage, Text: quoted + " must be " + f.kind},
			missing: &Refusal{Code: CodeBadMessage, Text: quoted + " is missing: a message of this type needs it"},
			twice:   &Refusal{Code: CodeBadMessage, Text: quoted + " appears twice in the message"},
		}
	}
	return infos
}()

// number returns the number of the lowest bit of a set that is not empty.
func (f Field) number() int { return bits.TrailingZeros32(uint32(f)) }

// info returns the entry of the first field in a set that is not empty.
func (f Field) info() *fieldInfo { return &fieldInfos[f.number()] }

// fieldOf finds a field by its name; 0 if it is unknown. It is a switch because
// it is asked for every member of every message.
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
	case "changes":
		return FieldChanges
	}
	return 0
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
		e.Passcode, ok = stringValue(value)
	case FieldReceived:
		e.Received, ok = countValue(value)
	case FieldResumable:
		e.Resumable, ok = boolValue(value)
	case FieldTakeover:
		e.Takeover, ok = boolValue(value)
	case FieldChanges:
		e.Changes, ok = boolValue(value)
	case FieldData:
		e.Data = value
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
		e.wrong |= f
	}
}

func boolValue(v []byte) (value, ok bool) { return v[0] == 't', v[0] == 't' || v[0] == 'f' }

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
