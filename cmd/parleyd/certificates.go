package main

import (
	"crypto/tls"
	"fmt"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/reload"
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
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current.Get(), nil },
	}, nil
}
