package wsconn

// The events that this package logs, with the field names of package hub.
const (
	EventConnect        = "connect"         // conn, remote
	EventDisconnect     = "disconnect"      // conn, remote, code, reason, duration, bytes_in, bytes_out
	EventUpgradeRefused = "upgrade refused" // remote, code (HTTP status), reason, origin
)

// Further names of fields in log lines.
const (
	FieldOrigin   = "origin"    // the Origin header
	FieldBytesIn  = "bytes_in"  // read from the connection
	FieldBytesOut = "bytes_out" // written to it
)
