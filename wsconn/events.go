package wsconn

// The events that this package logs, beside those of package event, with the fields of
// that package.
const (
	EventConnect        = "connect"         // conn, remote; dialect of one that speaks another protocol than version 1
	EventDisconnect     = "disconnect"      // conn, remote, code, reason, duration, bytes_in, bytes_out
	EventUpgradeRefused = "upgrade refused" // remote, code (HTTP status), reason (one of those in handshake.go), origin, host
)

// Further names of fields in log lines.
const (
	FieldOrigin   = "origin"    // the Origin header
	FieldHost     = "host"      // the Host header, which the origin was compared with
	FieldBytesIn  = "bytes_in"  // read from the connection
	FieldBytesOut = "bytes_out" // written to it
	FieldDialect  = "dialect"   // the protocol that it speaks; absent: version 1
)
