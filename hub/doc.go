// Package hub keeps rooms and their members, and passes messages between them. It is the
// heart of parleyd.
//
// A program makes a [Hub] with [New] and mounts a handler for its connections (package
// wsconn). Then it can look at rooms and act on them:
//
//	h, err := hub.New(hub.Options{MaxRoomMembers: 100, ResumeWindow: 15 * time.Second})
//	…
//	signaling, err := wsconn.NewHandler(h, wsconn.Options{})
//	…
//	http.Handle("/ws", signaling)
//	…
//	err = h.Kick(ctx, "garden", "bob")
//	…
//	err = signaling.Shutdown(ctx)
//
// The hub promises that a client learns of a member before that member's first
// message, that a message is either queued for its receiver or refused to its sender,
// and that messages from one sender reach one receiver in order. One client can neither
// stop the hub nor use up another's queue.
//
// Inside, one goroutine, the hub loop, owns all rooms. It does no I/O and waits for no
// client: it appends to a bounded queue of each connection.
//
// [Client], [Connection], [Budget], [Writer], [PatientWriter], [Request], [Join], [Resumed]
// and [Gathering] are for packages that speak a protocol over connections, as wsconn does.
// Other programs don't need them.
package hub
