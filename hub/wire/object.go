package wire

import "bytes"

// EachMember calls f with every member of the JSON object in text, in order: its name,
// unescaped, and its value as it stands there. It reports false if text, which must be
// valid UTF-8, is not one JSON object; f may have been called by then.
func EachMember(text []byte, f func(name, value []byte)) bool {
	return eachMember(text, f, stringEnd, skipValue)
}

// eachMember is EachMember with the functions that find the end of a string and of any value,
// or return -1.
func eachMember(text []byte, f func(name, value []byte), stringEnd, valueEnd func(b []byte, i int) int) bool {
	i := skipSpace(text, 0)
	if i >= len(text) || text[i] != '{' {
		return false
	}
	i = skipSpace(text, i+1)
	for first := true; ; first = false {
		if first && i < len(text) && text[i] == '}' {
			break
		}
		if i >= len(text) || text[i] != '"' {
			return false
		}
		start := i
		end := stringEnd(text, start)
		if end < 0 {
			return false
		}
		value := skipSpace(text, end)
		if value >= len(text) || text[value] != ':' {
			return false
		}
		value = skipSpace(text, value+1)
		if i = valueEnd(text, value); i < 0 {
			return false
		}
		name := text[start+1 : end-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			name = unescape(name)
		}
		f(name, text[value:i])
		if i = skipSpace(text, i); i >= len(text) {
			return false
		}
		if text[i] == '}' {
			break
		}
		if text[i] != ',' {
			return false
		}
		i = skipSpace(text, i+1)
	}
	return skipSpace(text, i+1) == len(text)
}

// EachElement calls f with every element of the JSON array in value, which must have been
// seen to be JSON. It reports false if value is no array.
func EachElement(value []byte, f func(element []byte)) bool {
	if len(value) == 0 || value[0] != '[' {
		return false
	}
	i := skipSpace(value, 1)
	for value[i] != ']' {
		end := skipValue(value, i)
		f(value[i:end])
		if i = skipSpace(value, end); value[i] == ',' {
			i = skipSpace(value, i+1)
		}
	}
	return true
}

// String returns the text of a JSON value if it is a string without half of a surrogate
// pair. The value must have been seen to be JSON.
func String(value []byte) (text []byte, ok bool) {
	if len(value) == 0 {
		return nil, false
	}
	if text, ok = stringValue(value); !ok || bytes.IndexByte(text, 0xFF) >= 0 {
		return nil, false
	}
	return text, true
}

// Count returns a JSON value if it is a whole number from 0 to 2^53. The value must have
// been seen to be JSON.
func Count(value []byte) (uint64, bool) { return countValue(value) }

// Delivered is a message of the server, for packages that speak another protocol. Its
// slices point into the text, or to copies of what has escapes.
type Delivered struct {
	Type           Type
	Room, From, To []byte
	Ref            []byte
	Code, Text, Re []byte // of an error
	Body           []byte // JSON: sdp, candidate or data of what was forwarded; nil: none
	ICEServers     []byte // a JSON array, of joined; nil: none
	Members        []byte // a JSON array of ids, of room_members
	Meta           []byte // a JSON object: profiles by id; nil: there are none
	Joined, Left   []byte // likewise, of room_changes; nil: none
	Rejoined       []byte // likewise
	Count          int    // of members: after room_changes, or where a message counts them
	Alike          int    // likewise, of those with a profile

	sdp, candidate, data []byte
}

// Read reads a message that the server has made. It reports false if text is none.
func (d *Delivered) Read(text []byte) bool {
	*d = Delivered{}
	ok := EachMemberSeen(text, d.member)
	switch d.Type {
	case TypeUnknown:
		return false
	case TypeOffer, TypeAnswer:
		d.Body = d.sdp
	case TypeCandidate:
		d.Body = d.candidate
	case TypeMessage:
		d.Body = d.data
	}
	return ok
}

func (d *Delivered) member(name, value []byte) {
	switch string(name) {
	case "type":
		d.Type = serverType(value)
	case "room":
		d.Room, _ = stringValue(value)
	case "from":
		d.From, _ = stringValue(value)
	case "to":
		d.To, _ = stringValue(value)
	case "ref":
		d.Ref, _ = stringValue(value)
	case "code":
		d.Code, _ = stringValue(value)
	case "error":
		d.Text, _ = stringValue(value)
	case "re":
		d.Re, _ = stringValue(value)
	case "sdp":
		d.sdp = value
	case "candidate":
		d.candidate = value
	case "data":
		d.data = value
	case "ice_servers":
		d.ICEServers = value
	case "members":
		d.Members = value
	case "meta":
		d.Meta = value
	case "joined":
		d.Joined = value
	case "left":
		d.Left = value
	case "rejoined":
		d.Rejoined = value
	case "count":
		n, _ := countValue(value)
		d.Count = int(n)
	case "alike":
		n, _ := countValue(value)
		d.Alike = int(n)
	}
}

// serverType finds the type of a message of the server.
func serverType(value []byte) Type {
	name, _ := stringValue(value)
	return Type(find(&serverTypes, name))
}
