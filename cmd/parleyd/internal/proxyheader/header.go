package proxyheader

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"
)

const (
	prefixBytes = 12 // fewer than any header has, and the signature of version 2
	fixedBytes  = 16 // of version 2: signature, command, family, length
	maxLine     = 107
	maxLength   = 4 << 10 // of what follows the fixed bytes of version 2
)

var errLong = errors.New("the header is too long")

// read reads a header, and not a byte behind it. The address is that of the client;
// it is invalid where the proxy speaks for itself, or does not know the client.
func read(r io.Reader) (netip.AddrPort, error) {
	text, err := exactly(r)
	if err != nil {
		return netip.AddrPort{}, err
	}
	h, err := proxyproto.Read(bufio.NewReader(bytes.NewReader(text)))
	if err != nil {
		return netip.AddrPort{}, err
	}
	source, ok := h.SourceAddr.(*net.TCPAddr)
	if h.Command.IsLocal() || !ok {
		return netip.AddrPort{}, nil
	}
	p := source.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port()), nil
}

// exactly reads as many bytes as a header has.
func exactly(r io.Reader) ([]byte, error) {
	text := make([]byte, prefixBytes, maxLine)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, err
	}
	switch {
	case bytes.Equal(text, proxyproto.SIGV2):
		return rest(r, text)
	case !bytes.HasPrefix(text, proxyproto.SIGV1):
		return nil, proxyproto.ErrNoProxyProtocol
	}
	for text[len(text)-1] != '\n' {
		if len(text) == maxLine {
			return nil, errLong
		}
		text = append(text, 0)
		if _, err := io.ReadFull(r, text[len(text)-1:]); err != nil {
			return nil, err
		}
	}
	return text, nil
}

// rest reads what follows the signature of version 2.
func rest(r io.Reader, text []byte) ([]byte, error) {
	text = text[:fixedBytes]
	if _, err := io.ReadFull(r, text[prefixBytes:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(text[fixedBytes-2:]))
	if n > maxLength {
		return nil, errLong
	}
	text = append(text, make([]byte, n)...)
	_, err := io.ReadFull(r, text[fixedBytes:])
	return text, err
}
