// Package ice makes the ice_servers that members are handed: STUN servers as they
// are, TURN servers with credentials that are good for a while (the TURN REST
// scheme: the user name is "expiry:id", the password the base64 of its HMAC-SHA1
// under a secret that the TURN server knows too). For the daemon's own TURN server the
// user name is "expiry.key:id", where key names the secret: so it knows which one.
package ice

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// DefaultTTL is how long TURN credentials are good unless something else is said:
// longer than most calls, since a call that restarts ICE needs them again; a client
// can ask for fresh ones.
const DefaultTTL = 12 * time.Hour

// Servers are the ICE servers of one configuration.
type Servers struct {
	stun, turn, own []string
	secrets         func() [][]byte
	ttl             time.Duration
}

// server is an RTCIceServer (WebRTC, 4.2.2).
type server struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

// New checks the URLs (RFC 7064, RFC 7065); own are those of the daemon's TURN server.
// TURN URLs need secrets, which may change: the first makes credentials. These are good
// for ttl; 0: [DefaultTTL].
func New(urls, own []string, secrets func() [][]byte, ttl time.Duration) (*Servers, error) {
	if ttl <= 0 {
		ttl = DefaultTTL
	}
	s := &Servers{own: own, secrets: secrets, ttl: ttl}
	for _, u := range urls {
		isTURN, err := check(u)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%q: %w", u, err)
		case !isTURN:
			s.stun = append(s.stun, u)
		case secrets == nil:
			return nil, fmt.Errorf("%q: a TURN server needs turn-secret-file, the secret that credentials are made with", u)
		default:
			s.turn = append(s.turn, u)
		}
	}
	return s, nil
}

// check reports whether u is the URL of a TURN server or of a STUN server.
func check(u string) (isTURN bool, err error) {
	scheme, rest, _ := strings.Cut(u, ":")
	switch scheme {
	case "stun", "stuns":
	case "turn", "turns":
		isTURN = true
	default:
		return false, errors.New("not a stun:, stuns:, turn: or turns: URL")
	}
	host, query, asked := strings.Cut(rest, "?")
	if asked && (!isTURN || query != "transport=udp" && query != "transport=tcp") {
		return false, errors.New("after \"?\" a TURN URL can have transport=udp or transport=tcp")
	}
	if h, port, err := net.SplitHostPort(host); err == nil {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return false, errors.New("the port is not a number from 1 to 65535")
		}
		host = h
	}
	if strings.Trim(host, "[]") == "" || strings.ContainsAny(host, "/@ ") {
		return false, errors.New("there is no host in it")
	}
	return isTURN, nil
}

// For returns the JSON array of RTCIceServer objects for the member with this id.
// Its credentials are good from now on, for the time that New was told and not past
// until, the end of what the member was granted; zero: it has none.
func (s *Servers) For(id string, until time.Time) json.RawMessage {
	list := make([]server, 0, 3)
	if len(s.stun) > 0 {
		list = append(list, server{URLs: s.stun})
	}
	if len(s.turn)+len(s.own) > 0 {
		expires := time.Now().Add(s.ttl)
		if !until.IsZero() && until.Before(expires) {
			expires = until
		}
		secret := s.secrets()[0]
		add := func(urls []string, user string) {
			if len(urls) > 0 {
				list = append(list, server{URLs: urls, Username: user, Credential: Password(secret, user)})
			}
		}
		expiry := strconv.FormatInt(expires.Unix(), 10)
		add(s.turn, expiry+":"+id)
		add(s.own, expiry+"."+Key(secret)+":"+id)
	}
	b, err := json.Marshal(list)
	if err != nil {
		panic(err) // strings always marshal
	}
	return b
}

// Password returns the password that goes with a user name.
func Password(secret []byte, user string) string {
	mac := hmac.New(sha1.New, secret)
	mac.Write([]byte(user))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Key names a secret, and does not tell it.
func Key(secret []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("name of the key"))
	return base32.StdEncoding.EncodeToString(mac.Sum(nil)[:5])
}

// User reads a user name: when it expires, under which secret it was made ("": it does
// not say), and whose it is.
func User(name string) (expires time.Time, key, id string, ok bool) {
	expiry, id, _ := strings.Cut(name, ":")
	expiry, key, _ = strings.Cut(expiry, ".")
	seconds, err := strconv.ParseInt(expiry, 10, 64)
	return time.Unix(seconds, 0), key, id, err == nil && id != ""
}
