package direct

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"time"
)

// digest is the SHA-256 of a public key, as in a certificate (SubjectPublicKeyInfo).
type digest = [sha256.Size]byte

// identity is a node's key, made at its start and kept nowhere.
type identity struct {
	certificate tls.Certificate
	digest      digest
}

func newIdentity() (*identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	// Nobody looks at anything in it but the key.
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().AddDate(100, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &identity{
		certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		digest:      sha256.Sum256(parsed.RawSubjectPublicKeyInfo),
	}, nil
}

var errStranger = errors.New("the other end does not have a node's key")

// config returns how a connection is made whose other end has a key that is known, either
// way round.
func (id *identity) config(known func(digest) bool) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{id.certificate},
		ClientAuth: tls.RequireAnyClientCert, SessionTicketsDisabled: true,
		// There are no names and no authorities; VerifyConnection is the check.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || !known(sha256.Sum256(s.PeerCertificates[0].RawSubjectPublicKeyInfo)) {
				return errStranger
			}
			return nil
		},
	}
}
