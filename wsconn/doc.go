// Package wsconn speaks the protocol over WebSocket connections: it upgrades HTTP
// requests, reads messages, passes them to a [hub.Hub], and writes what the hub queues.
//
// [Handler] is an http.Handler. It can be mounted at any path of any server that lets a
// connection be hijacked (HTTP/1.1). [Handler.Shutdown] ends it and its hub in order, as
// the Shutdown of http.Server does. A [Gate] decides who may join.
//
// The handler returns after the handshake, and a goroutine of the connection's own reads
// on. While it waits, it holds no buffer. A few goroutines write for all plain sockets, and
// for TLS over a listener of [UnderTLS], and never wait for one: a connection whose socket
// is full gets a goroutine of its own until it is not. Other TLS and wrapped sockets get
// one while they write.
package wsconn
