package actor

// Batch applies commands together. After is called when all that they have queued
// may go; it must not block.
type Batch struct {
	Commands []Command
	After    func()
}

func (b *Batch) apply(l *loop) {
	for _, c := range b.Commands {
		l.apply(c)
	}
	if b.After != nil {
		l.after = append(l.after, b.After)
	}
}
