package acme

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/reload"
)

// Roots reads the certificates that an authority's own is signed with. The error is for
// people.
func Roots(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("acme-root: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, errors.New("acme-root: there is no certificate in it")
	}
	return roots, nil
}

// authority asks an ACME authority whose own certificate is signed by one in a file, as
// the file is now. certmagic takes those only when an issuer is made.
type authority struct{ now func() *certmagic.ACMEIssuer }

// authority returns what asks with such settings.
func (m *Manager) authority(template certmagic.ACMEIssuer) (*authority, error) {
	load := func() (*certmagic.ACMEIssuer, error) {
		roots, err := Roots(m.options.RootFile)
		if err != nil {
			return nil, err
		}
		fresh := template
		fresh.TrustedRoots = roots
		return certmagic.NewACMEIssuer(m.config, fresh), nil
	}
	told := func(_ *certmagic.ACMEIssuer, err error) { m.options.RootRead(err) }
	current, err := reload.New(load, told, m.options.RootFile)
	if err != nil {
		return nil, err
	}
	return &authority{now: current.Get}, nil
}

// Issue implements [certmagic.Issuer].
func (a *authority) Issue(ctx context.Context, request *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	return a.now().Issue(ctx, request)
}

// IssuerKey implements [certmagic.Issuer].
func (a *authority) IssuerKey() string { return a.now().IssuerKey() }

// PreCheck implements [certmagic.PreChecker].
func (a *authority) PreCheck(ctx context.Context, names []string, interactive bool) error {
	return a.now().PreCheck(ctx, names, interactive)
}

// GetRenewalInfo implements [certmagic.RenewalInfoGetter].
func (a *authority) GetRenewalInfo(ctx context.Context, c certmagic.Certificate) (acme.RenewalInfo, error) {
	return a.now().GetRenewalInfo(ctx, c)
}
