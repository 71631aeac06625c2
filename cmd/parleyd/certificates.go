package main

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
)

// certificateCheck is how often a handshake looks whether the files have changed.
const certificateCheck = time.Second

// certificates hands out a certificate that follows its files.
type certificates struct {
	// Set before start, then read only.
	certFile, keyFile string
	log               *zap.Logger

	// Guarded by mu.
	mu      sync.Mutex
	current *tls.Certificate
	seen    [2]fileState // of the files when they were last read
	checked time.Time
}

// fileState tells versions of a file apart.
type fileState struct {
	modified time.Time
	size     int64
}

func newCertificates(certFile, keyFile string, log *zap.Logger) (*certificates, error) {
	c := &certificates{certFile: certFile, keyFile: keyFile, log: log, checked: time.Now()}
	c.seen = c.look()
	var err error
	if c.current, err = c.load(); err != nil {
		return nil, fmt.Errorf("tls-cert: %w", err)
	}
	return c, nil
}

func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.get(), nil },
	}
}

// get returns the certificate as the files have it, or the last good one.
func (c *certificates) get() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Sub(c.checked) < certificateCheck {
		return c.current
	}
	c.checked = now
	state := c.look()
	if state == c.seen {
		return c.current
	}
	c.seen = state
	fresh, err := c.load()
	if err != nil {
		c.log.Error(eventTLSFailed, zap.Error(err))
		return c.current
	}
	c.current = fresh
	c.log.Info(eventTLSReloaded, zap.Time(fieldNotAfter, fresh.Leaf.NotAfter))
	return c.current
}

func (c *certificates) load() (*tls.Certificate, error) {
	certificate, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	return &certificate, err
}

func (c *certificates) look() (state [2]fileState) {
	for i, name := range [...]string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil {
			state[i] = fileState{info.ModTime(), info.Size()}
		}
	}
	return state
}
