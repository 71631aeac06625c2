// Package wsconn carries the protocol over WebSocket connections: it upgrades
// HTTP requests, reads frames, turns messages into commands for a [hub.Hub], and
// writes what the hub queues.
//
// [Handler] is an http.Handler, to be mounted at any path of any server that
// lets a connection be hijacked (HTTP/1.1). The handshake is that of
// github.com/coder/websocket; then the handler returns, so that the HTTP server
// frees what it holds for the request, and a goroutine of the connection's own
// goes on reading. While it waits it holds no buffer. Frames are written by a few
// workers that serve all connections and never wait for one: a connection whose
// socket is full gets a goroutine of its own until it is not.
package wsconn
