package wsconn

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// tlsBufferBytes is how much a waiting TLS connection may keep of each input buffer: usual
// short records fit.
const tlsBufferBytes = 1 << 10

// tlsBuffers are where a tls.Conn has its input buffers. They grow with the longest
// handshake message and the longest record, and the library never gives them back: 4 KB
// after a handshake, 16 KB more after one long message. There is no other way to them. A
// version of Go in which they are something else loses the saving and nothing else.
var tlsBuffers = bufferFields(reflect.TypeFor[tls.Conn](), "rawInput", "hand")

// bufferFields returns the offsets of those named fields that are a bytes.Buffer.
func bufferFields(t reflect.Type, names ...string) (offsets []uintptr) {
	for _, name := range names {
		if f, ok := t.FieldByName(name); ok && f.Type == reflect.TypeFor[bytes.Buffer]() {
			offsets = append(offsets, f.Offset)
		}
	}
	return offsets
}

// releaseTLS gives up the empty input buffers of c that are large. Nobody may read from c
// meanwhile.
func releaseTLS(c *tls.Conn) {
	for _, offset := range tlsBuffers {
		b := (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(c), offset))
		if b.Len() == 0 && b.Cap() > tlsBufferBytes {
			*b = bytes.Buffer{}
		}
	}
}
