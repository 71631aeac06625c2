package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/acme"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/tlsport"
	"github.com/parley-rtc/parley/wsconn"
)

// newTLS sets up the certificates that clients see, if there are any.
func (d *daemon) newTLS() (err error) {
	c := d.config
	switch {
	case c.TLSCert != "":
		if d.server.TLSConfig, err = newCertificates(c.TLSCert, c.TLSKey, d.logs.Logger); err == nil {
			d.server.TLSConfig.NextProtos = []string{"http/1.1"} // WebSocket's handshake is HTTP/1.1
		}
	case c.ACME.On():
		d.acme, err = acme.New(acme.Options{
			Domains: c.ACME.Domains, Dir: c.ACME.Dir, Directory: c.ACME.Directory,
			RootFile: c.ACME.Root, RootRead: d.rootRead, Email: c.ACME.Mail, Logger: d.logs.Logger,
		})
		if err == nil {
			d.server.TLSConfig = d.acme.TLS()
		}
	}
	if d.server.TLSConfig != nil {
		// Messages that wait together leave in one record: a part of a message is of no use.
		d.server.TLSConfig.DynamicRecordSizingDisabled = true
	}
	return err
}

// share has HTTPS and TURN over TLS come in on the one port.
func (d *daemon) share(e *entrance) *tlsport.Listener {
	o := tlsport.Options{Timeout: headerTimeout, ErrorLog: d.server.ErrorLog}
	if e.named != nil {
		o.Source = func(c net.Conn) (netip.AddrPort, bool) { return e.named.Source(socketOf(c)) }
	}
	e.shared = tlsport.New(wsconn.UnderTLS(e.raw()), d.server.TLSConfig, o)
	return e.shared
}

// listenPlain opens the listener that redirects to HTTPS.
func (d *daemon) listenPlain() (err error) {
	if d.config.Redirect == "" {
		return nil
	}
	if d.redirectListener, err = net.Listen("tcp", d.config.Redirect); err != nil {
		return fmt.Errorf("redirect-listen: %w", err)
	}
	return nil
}

// rootRead tells of what signs the authority's own certificate.
func (d *daemon) rootRead(err error) { toldOfSecret(d.logs.Logger, "acme-root", err) }

// startACME begins to obtain certificates. The listeners are open.
func (d *daemon) startACME() error {
	redirect := http.Handler(http.HandlerFunc(redirectToHTTPS))
	if d.acme != nil {
		var plain net.Addr
		if d.redirectListener != nil {
			plain = d.redirectListener.Addr()
		}
		if err := d.acme.Start(d.secureAddr(), plain); err != nil {
			return err
		}
		redirect = d.acme.Challenges(redirect)
	}
	d.redirect.Handler = http.MaxBytesHandler(redirect, maxBodyBytes)
	return nil
}

// secureAddr returns the address of the first listener for TLS.
func (d *daemon) secureAddr() net.Addr {
	for _, e := range d.entrances {
		if e.tls {
			return e.Addr()
		}
	}
	return &net.TCPAddr{Port: 443} // a proxy passes it on
}

// redirectToHTTPS sends a client to the same address on port 443.
func redirectToHTTPS(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host == "" {
		http.Error(w, "which host?", http.StatusBadRequest)
		return
	}
	if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
		host = "[" + host + "]"
	}
	http.Redirect(w, r, "https://"+host+r.URL.RequestURI(), http.StatusPermanentRedirect)
}

// certificates returns those that clients see now.
func (d *daemon) certificates() []*x509.Certificate {
	switch {
	case d.acme != nil:
		return d.acme.Certificates()
	case d.server.TLSConfig != nil:
		if c, err := d.server.TLSConfig.GetCertificate(&tls.ClientHelloInfo{}); err == nil && c.Leaf != nil {
			return []*x509.Certificate{c.Leaf}
		}
	}
	return nil
}

// certificateName returns what a certificate is for.
func certificateName(c *x509.Certificate) string {
	switch {
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	case len(c.IPAddresses) > 0:
		return c.IPAddresses[0].String()
	}
	return c.Subject.CommonName
}
