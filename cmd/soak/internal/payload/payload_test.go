package payload

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
)

const run = 0xCAFE0123

// stamps returns one for each template that differs from the one before.
func stamps() (list []Stamp) {
	for k := range Kind(NumKinds) {
		for i := range Templates(k) {
			if i > 0 && templates[k][i] == templates[k][i-1] {
				continue
			}
			list = append(list, Stamp{Run: run, Room: 0x123456, From: 7, To: 0xFFFE, Seq: 0xFFFFFFFF, Due: 1<<48 - 1, Kind: k, Template: uint8(i)})
		}
	}
	return list
}

func TestRoundTrip(t *testing.T) {
	for _, want := range stamps() {
		raw := Append(nil, &want)
		template := templates[want.Kind][want.Template]
		if !json.Valid(raw) || len(raw) != len(template.before)+stampSize+len(template.after) {
			t.Fatalf("%v %d: %d bytes, %q", want.Kind, want.Template, len(raw), raw)
		}
		got, err := Check(raw, want.Kind, run)
		if err != nil || got != want {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
}

// Every byte that changes is noticed.
func TestAlterations(t *testing.T) {
	for _, s := range stamps() {
		raw := Append(nil, &s)
		for i := range raw {
			changed := bytes.Clone(raw)
			changed[i] ^= 1
			if _, err := Check(changed, s.Kind, run); err == nil {
				t.Fatalf("%v %d: byte %d changed from %q unnoticed", s.Kind, s.Template, i, raw[i])
			}
		}
		if _, err := Check(raw[:len(raw)-1], s.Kind, run); err == nil {
			t.Errorf("%v %d: a lost byte went unnoticed", s.Kind, s.Template)
		}
		if _, err := Check(raw, s.Kind, run+1); !errors.Is(err, ErrForeign) {
			t.Errorf("of another run: %v", err)
		}
		if _, err := Check(raw, (s.Kind+1)%Kind(NumKinds), run); !errors.Is(err, ErrAltered) {
			t.Errorf("of another kind: %v", err)
		}
	}
}

// A payload with the same meaning in other bytes is told apart.
func TestReencoded(t *testing.T) {
	s := Stamp{Run: run, Kind: Candidate}
	var v map[string]any
	if err := json.Unmarshal(Append(nil, &s), &v); err != nil {
		t.Fatal(err)
	}
	raw, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Check(raw, Candidate, run); !errors.Is(err, ErrReencoded) || got != s {
		t.Errorf("%+v, %v", got, err)
	}
}

func BenchmarkAppend(b *testing.B) {
	s := Stamp{Run: run, Kind: Candidate}
	buf := make([]byte, 0, 8192)
	for b.Loop() {
		buf = Append(buf[:0], &s)
	}
}

func BenchmarkCheck(b *testing.B) {
	for k := range Kind(NumKinds) {
		raw := Append(nil, &Stamp{Run: run, Kind: k})
		b.Run(k.String(), func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				if _, err := Check(raw, k, run); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
