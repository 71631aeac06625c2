package actor

import (
	"testing"

	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// Everything that a command holds counts, whatever the command is.
func TestSizeOf(t *testing.T) {
	const large = 20_000
	text := string(make([]byte, large))
	data := []byte(text)
	f := frame.Text(data)
	p := ForwardParts{Frame: f}
	for _, c := range []Command{
		&Join{Welcome: f}, &Join{Welcome: pong("x"), Meta: data}, &Join{Welcome: pong("x"), Name: text}, &Join{Welcome: pong("x"), Key: text},
		p.Forward(), &Rename{Name: text}, &Update{Meta: data}, &Renew{Frame: f}, &Renew{Frame: pong("x"), Meta: data},
		&Reply{Frame: f}, &Count{Frame: f}, &Count{Frame: pong("x"), Meta: data},
		&Refuse{Refusal: &wire.Refusal{Text: text}}, &Rename{Refused: frame.Refused{Ref: text}}, &Kick{Order: Order{Refused: frame.Refused{Ref: text}}},
		&Lock{Order: Order{Refused: frame.Refused{Ref: text}}}, &Report{Refused: frame.Refused{Ref: text}},
	} {
		if n := SizeOf(c); n < large || n > large+2_000 {
			t.Errorf("%T: %d bytes", c, n)
		}
	}
	if n := SizeOf(Leave{}); n <= 0 || n > 1_000 {
		t.Errorf("a leave: %d bytes", n)
	}
}
