// Package socket is the client's side of many WebSocket connections (RFC 6455):
// one that waits holds no buffer, all that one read brings is handed over
// together, and writing never waits for the server.
package socket
