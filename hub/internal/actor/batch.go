package actor

// Batch applies commands together. At the end of the loop's batch, After is called with
// the number of that batch, when all that the commands have queued may be written. It must
// not block.
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
