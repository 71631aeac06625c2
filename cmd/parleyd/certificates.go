package main

import (
	"crypto/tls"
	"fmt"
	"net"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/reload"
	"github.com/parley-rtc/parley/wsconn"
)

// newCertificates returns a TLS configuration whose certificate follows its files.
func newCertificates(certFile, keyFile string, log *zap.Logger) (*tls.Config, error) {
	load := func() (*tls.Certificate, error) {
		certificate, err := tls.LoadX509KeyPair(certFile, keyFile)
		return &certificate, err
	}
	told := func(fresh *tls.Certificate, err error) {
		if err != nil {
			log.Error(eventTLSFailed, zap.Error(err))
			return
		}
		log.Info(eventTLSReloaded, zap.Time(fieldNotAfter, fresh.Leaf.NotAfter))
	}
	current, err := reload.New(load, told, certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("tls-cert: %w", err)
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"}, // WebSocket's handshake is HTTP/1.1
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current.Get(), nil },
	}, nil
}

// withoutProtocols returns a configuration for a listener that does not speak HTTP.
func withoutProtocols(c *tls.Config) *tls.Config {
	if c == nil {
		return nil
	}
	c = c.Clone()
	c.NextProtos = nil
	return c
}

// secured returns a listener that speaks TLS over l. [http.Server.ServeTLS] would copy the
// configuration, so that each listener had tickets of its own.
func secured(l net.Listener, c *tls.Config) net.Listener {
	return tls.NewListener(wsconn.UnderTLS(l), c)
}
