// Package payload makes the session descriptions, candidates and data that virtual
// peers send, and finds out whether they arrive as they were sent. All of a payload
// but its stamp is the same for all messages of a template, and the stamp has a
// checksum, so a receiver compares every byte without having been told what to
// expect.
package payload

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
)

// Kind is a type of message with a payload.
type Kind uint8

// The kinds, named as on the wire.
const (
	Offer Kind = iota
	Answer
	Candidate
	Message

	NumKinds = int(iota)
)

// String returns the kind's name.
func (k Kind) String() string { return [NumKinds]string{"offer", "answer", "candidate", "message"}[k] }

// Everybody is the receiver of a message to all others in a room.
const Everybody = 0xFFFF

// Stamp says which message a payload belongs to.
type Stamp struct {
	Run      uint32 // of the process that sent it
	Room     uint32 // number of the room, below 1<<24
	From, To uint16 // numbers of members in the room, or Everybody
	Seq      uint32 // counts the messages from From to To
	Due      int64  // when it was to be sent, in nanoseconds since the run began, below 1<<48
	Kind     Kind
	Template uint8
}

// Errors of Check.
var (
	ErrForeign   = errors.New("it is no message of this run")
	ErrStamp     = errors.New("its stamp has been altered")
	ErrAltered   = errors.New("its payload has been altered")
	ErrReencoded = errors.New("its payload has been encoded anew")
)

// Append appends the payload of a message, as JSON.
func Append(b []byte, s *Stamp) []byte {
	t := &templates[s.Kind][int(s.Template)%len(templates[s.Kind])]
	b = append(b, t.before...)
	b = appendStamp(b, s)
	return append(b, t.after...)
}

// Check reads the stamp of a payload that has come as a message of a kind, and
// compares the payload with what was sent. After ErrReencoded the stamp holds.
func Check(raw []byte, kind Kind, run uint32) (Stamp, error) {
	var marker [len(mark) + 8]byte
	copy(marker[:], mark)
	putHex(marker[len(mark):], uint64(run))
	at := bytes.Index(raw, marker[:])
	if at < 0 || len(raw) < at+stampSize {
		return Stamp{}, ErrForeign
	}
	s, ok := readStamp(raw[at : at+stampSize])
	if !ok {
		return s, ErrStamp
	}
	if s.Kind != kind {
		return s, ErrAltered
	}
	t := &templates[kind][int(s.Template)%len(templates[kind])]
	if string(raw[:at]) == t.before && string(raw[at+stampSize:]) == t.after {
		return s, nil
	}
	var got, want any
	if json.Unmarshal(raw, &got) == nil && json.Unmarshal(Append(nil, &s), &want) == nil && reflect.DeepEqual(got, want) {
		return s, ErrReencoded
	}
	return s, ErrAltered
}
