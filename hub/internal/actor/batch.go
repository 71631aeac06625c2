package actor

// Batch applies commands together. After is called when all that they have queued
// may go; it must not block. It gets the number of the loop's own batch, which is that
// of all commands that the loop has applied at once.
type Batch struct {
	Commands []Command
	After    func(batch uint64)
}

func (b *Batch) apply(l *loop) {
	for _, c := range b.Commands {
		l.apply(c)
	}
	if b.After != nil {
		l.after = append(l.after, b.After)
	}
}
