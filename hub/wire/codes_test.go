package wire

import (
	"errors"
	"fmt"
	"testing"
)

// Each code has a name of its own.
func TestCodeNames(t *testing.T) {
	seen := map[string]Code{}
	for code := NoCode + 1; int(code) < NumCodes; code++ {
		name := code.String()
		if other, twice := seen[name]; name == "" || twice {
			t.Errorf("code %d is called %q, as is %d", code, name, other)
		}
		seen[name] = code
	}
}

// A caller can ask any error for the protocol's code.
func TestCodeOf(t *testing.T) {
	r := &Refusal{Code: CodeRoomFull, Text: "no"}
	for _, c := range []struct {
		err  error
		want Code
	}{
		{nil, NoCode},
		{errors.New("x"), NoCode},
		{(*Refusal)(nil), NoCode},
		{r, CodeRoomFull},
		{fmt.Errorf("join: %w", r), CodeRoomFull},
	} {
		if got := CodeOf(c.err); got != c.want {
			t.Errorf("CodeOf(%v) = %v", c.err, got)
		}
	}
	if got := r.Error(); got != "room_full: no" {
		t.Errorf("its text is %q", got)
	}
}
