package actor

import (
	"unsafe"

	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// commandBytes is about what a command takes by itself, with its place in a queue.
const commandBytes = 128

// SizeOf returns about what a command of a connection takes while it waits, in bytes of
// memory.
func SizeOf(c Command) int {
	n := commandBytes
	switch c := c.(type) {
	case *Join:
		n += len(c.Room) + len(c.ID) + len(c.Name) + len(c.Meta) + len(c.Session) + len(c.Key) + c.Welcome.Cost() + sizeOfRefused(&c.Refused)
	case *Resume:
		n += len(c.Session) + sizeOfRefused(&c.Refused)
	case *Forward:
		n += int(unsafe.Sizeof(*c)) + c.frame.Cost()
	case *Rename:
		n += len(c.Name) + sizeOfRefused(&c.Refused)
	case *Update:
		n += len(c.Meta) + sizeOfRefused(&c.Refused)
	case *Renew:
		n += len(c.Name) + len(c.Meta) + c.Frame.Cost() + sizeOfRefused(&c.Refused)
	case *Report:
		n += int(unsafe.Sizeof(wire.Report{})) + len(c.To) + sizeOfRefused(&c.Refused)
	case *Reply:
		n += c.Frame.Cost()
	case *Count:
		n += len(c.Meta) + c.Frame.Cost() + sizeOfRefused(&c.Refused)
	case *Refuse:
		n += len(c.Refusal.Text) + len(c.Refusal.Needs) + sizeOfRefused(&c.Refused)
	case *Kick:
		n += len(c.To) + sizeOfRefused(&c.Refused)
	case *Lock:
		n += sizeOfRefused(&c.Refused)
	}
	return n
}

func sizeOfRefused(m *frame.Refused) int { return len(m.Re) + len(m.To) + len(m.Ref) }
