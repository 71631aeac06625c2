package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

// checkDNS finds the addresses of the host, and reports whether there are any.
func (v *visit) checkDNS(ctx context.Context) ([]netip.Addr, bool) {
	host := v.base.Hostname()
	if ip, err := netip.ParseAddr(host); err == nil {
		v.local = ip.IsLoopback()
		v.found(CheckDNS, Skipped, "", "the URL has an address and no name")
		return []netip.Addr{ip}, true
	}
	ctx, cancel := context.WithTimeout(ctx, v.Timeout)
	defer cancel()
	addresses, err := v.lookup(ctx, host)
	if err == nil && len(addresses) == 0 {
		err = errors.New("it has none")
	}
	if err != nil {
		v.found(CheckDNS, Problem, "Make an A record, and an AAAA record if the server has IPv6, for this name. A new record may take an hour to be seen everywhere.",
			"the address of %s was not found: %v", host, err)
		return nil, false
	}
	for i, a := range addresses {
		addresses[i] = a.Unmap()
	}
	v.local = !slices.ContainsFunc(addresses, func(a netip.Addr) bool { return !a.IsLoopback() })
	texts := make([]string, len(addresses))
	for i, a := range addresses {
		texts[i] = a.String()
	}
	v.found(CheckDNS, OK, "", "%s is %s", host, strings.Join(texts, " and "))
	return addresses, true
}

// checkIPv6 sees whether IPv6 addresses answer, where there are any.
func (v *visit) checkIPv6(ctx context.Context, addresses []netip.Addr) {
	_, port, _ := net.SplitHostPort(v.address())
	six := slices.DeleteFunc(slices.Clone(addresses), func(a netip.Addr) bool { return !a.Is6() })
	if len(six) == 0 {
		v.found(CheckIPv6, Skipped, "", "the host has no IPv6 address; clients without IPv4 reach it through NAT64")
		return
	}
	for _, a := range six {
		dialer := net.Dialer{Timeout: v.Timeout}
		conn, err := dialer.DialContext(ctx, "tcp6", net.JoinHostPort(a.String(), port))
		switch {
		case err == nil:
			_ = conn.Close()
		case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT):
			v.found(CheckIPv6, Skipped, "Run this where there is IPv6.", "this machine has no IPv6")
			return
		default:
			v.found(CheckIPv6, Problem, "Have the server and its firewall answer on IPv6, or remove the AAAA record.",
				"the address %s does not answer: %v", a, err)
			return
		}
	}
	v.found(CheckIPv6, OK, "", "IPv6 answers")
}

// fewDays is how long before its end a certificate should have been renewed.
const fewDays = 14 * 24 * time.Hour

// checkCertificate looks at the certificate. If it is invalid, all further checks do
// without.
func (v *visit) checkCertificate(ctx context.Context) {
	if !v.secure() {
		if v.local {
			v.found(CheckCertificate, Skipped, "", "the URL is not HTTPS; on the same machine browsers do without")
			return
		}
		v.found(CheckCertificate, Problem, "Serve HTTPS (--tls-cert, --tls-key, or a proxy) and give the https:// URL.",
			"the URL is not HTTPS: browsers give camera and microphone to HTTPS pages only")
		return
	}
	config := v.tls.Clone()
	config.InsecureSkipVerify = true // looked at below
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: v.Timeout}, Config: config}
	ctx, cancel := context.WithTimeout(ctx, v.Timeout)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp", v.address())
	if err != nil {
		var plain tls.RecordHeaderError
		switch {
		case errors.As(err, &plain):
			v.found(CheckCertificate, Problem, "Set up TLS on this port, or give the http:// URL.", "the port does not speak TLS")
		case errors.As(err, new(*net.OpError)) && !errors.As(err, new(tls.AlertError)):
			v.found(CheckCertificate, Problem, "See that the daemon or its proxy runs, and that the firewall lets TCP to this port through.",
				"%s does not answer: %v", v.address(), err)
		default:
			v.found(CheckCertificate, Problem, "See the log of the daemon or its proxy.", "the TLS handshake failed: %v", err)
		}
		return
	}
	defer conn.Close()
	v.judge(conn.(*tls.Conn).ConnectionState().PeerCertificates)
}

// judge reports on a chain of certificates.
func (v *visit) judge(chain []*x509.Certificate) {
	leaf := chain[0]
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{DNSName: v.base.Hostname(), Roots: v.Roots, Intermediates: between})
	left := time.Until(leaf.NotAfter)
	if err != nil {
		v.tls.InsecureSkipVerify = true
		advice := "Take a certificate of an authority that browsers know, such as Let's Encrypt, or pass yours with --ca-file."
		var invalid x509.CertificateInvalidError
		switch {
		case errors.As(err, new(x509.HostnameError)):
			advice = "Take a certificate for this name."
		case errors.As(err, &invalid) && invalid.Reason == x509.Expired && left < 0:
			advice = "Renew it, and see why it was not renewed in time."
		case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
			advice = "Set the clocks of this machine and of the server."
		case errors.As(err, new(x509.UnknownAuthorityError)) && len(chain) == 1 && !bytes.Equal(leaf.RawIssuer, leaf.RawSubject):
			advice = "Serve the whole chain (fullchain.pem), not only the certificate itself."
		}
		v.found(CheckCertificate, Problem, advice, "browsers refuse the certificate: %v", err)
		return
	}
	days := int(left.Hours() / 24)
	if left < min(fewDays, leaf.NotAfter.Sub(leaf.NotBefore)/4) {
		v.found(CheckCertificate, Warning, "See whether its renewal works.", "the certificate is valid for %d more days only", days)
		return
	}
	v.found(CheckCertificate, OK, "", "the certificate is valid for %d more days", days)
}

// pageMark is in the page of parleyd.
const pageMark = "<title>parley</title>"

// checkPage fetches the page.
func (v *visit) checkPage(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, v.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, v.base.String(), nil)
	if err != nil {
		v.found(CheckPage, Problem, "", "%v", err)
		return
	}
	answer, err := v.client().Do(request)
	if err != nil {
		v.found(CheckPage, Problem, "See that the daemon or its proxy runs, and that the firewall lets TCP to this port through.", "there is no answer: %v", err)
		return
	}
	defer answer.Body.Close()
	var body []byte
	if answer.StatusCode != http.StatusSwitchingProtocols { // else it may never end
		body, err = io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	}
	switch status := answer.StatusCode; {
	case err != nil:
		v.found(CheckPage, Problem, "", "the page breaks off: %v", err)
	case status >= 500:
		v.found(CheckPage, Problem, "The proxy does not reach the daemon, or the daemon is not ready: compare the proxy's target with --listen, and see both logs.",
			"the answer is %s", answer.Status)
	case status >= 300 && status < 400:
		v.found(CheckPage, Warning, "Give the URL that this one leads to.", "it redirects to %s", answer.Header.Get("Location"))
	case status != http.StatusOK:
		v.found(CheckPage, Warning, "If the page should be here, have the proxy pass all paths on.", "the answer is %s", answer.Status)
	case !strings.Contains(string(body), pageMark):
		v.found(CheckPage, Warning, "If it should be parleyd's, have the proxy pass all paths on.", "the page is not parleyd's")
	default:
		v.found(CheckPage, OK, "", "the page is there")
	}
}
