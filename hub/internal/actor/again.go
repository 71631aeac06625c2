package actor

// Again carries out a command of a member that was restored here, unless another hub has
// carried it out already. Number is the command's number in the membership: if it is not
// greater than member.handled, the command is dropped.
type Again struct {
	Client  *Client
	Number  uint64
	Command Command
}

func (a *Again) apply(l *loop) {
	m := a.Client.member
	if m == nil {
		a.Command.apply(l)
		return
	}
	if a.Number <= m.handled {
		Drop(a.Command)
		return
	}
	a.Command.apply(l)
	m.handled = a.Number
}

// Handled says that a message of the client was handled by another hub.
type Handled struct{ Client *Client }

func (h Handled) apply(*loop) { h.Client.handled() }

// Drop releases what a command holds that is not carried out, and answers its caller.
func Drop(c Command) {
	switch c := c.(type) {
	case *Join:
		c.Welcome.Release()
		Give(c.Done, false)
	case *Resume:
		c.end(Resumed{})
	case *Forward:
		c.Recycle()
	case *Reply:
		c.Frame.Release()
	case *Count:
		c.Frame.Release()
	case *Renew:
		c.Frame.Release()
	case *GoAway:
		Give(c.Done, false)
	}
}
