package peerjs

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"

	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn"
)

// peer is one connection. It is a member of its key's room from Begin on, until it sends
// LEAVE to nobody.
type peer struct {
	dialect        *Dialect
	conn           *wsconn.Conn
	key, id, token string // as the client gave them; token is forgotten after Begin

	sender *sender // owned by the read loop; nil: it is no member
}

func newPeer(d *Dialect, c *wsconn.Conn, key, id, token string) *peer {
	return &peer{dialect: d, conn: c, key: key, id: id, token: token}
}

// The errors that clients of PeerJS know.
const (
	textParameters = "No id, token, or key supplied to websocket server"
	textKey        = "Invalid key provided"
	textToken      = "Invalid token provided"
	textLimit      = "Server has reached its concurrent user limit"
	textTaken      = "ID is taken"
)

// Begin implements [wsconn.Speaker].
func (p *peer) Begin() error {
	switch {
	case p.id == "" || p.token == "" || p.key == "":
		return p.fail("ERROR", textParameters)
	case !p.dialect.takes(p.key):
		return p.fail("ERROR", textKey)
	}
	entry := wsconn.Entry{
		Room: p.dialect.options.RoomPrefix + p.key, ID: p.id, Capacity: math.MaxInt32, Quiet: true,
	}
	if isJWT(p.token) && !p.dialect.options.NoTokens { // many pages may have the same: only one that names the id makes it theirs
		entry.Token, entry.Takeover = p.token, true
	} else {
		entry.Key = secretOf(p.token)
	}
	p.token = ""
	s := newSender(p.id, p.conn, p.dialect.options.Expire)
	entry.Outcome = s.outcome
	m, err := p.conn.Join(entry)
	var r *wire.Refusal
	if errors.As(err, &r) {
		return p.fail(refused(r))
	}
	if err == nil {
		s.id, s.m = m.ID, m
		p.sender = s
	}
	return err
}

// secretOf returns a hash that stands for a token in the hub, which never gets the token.
func secretOf(token string) string {
	sum := sha256.Sum256([]byte("peerjs\x00" + token))
	return hex.EncodeToString(sum[:16])
}

// refused returns what the client is told of a join that was refused.
func refused(r *wire.Refusal) (typ, text string) {
	switch r.Code {
	case wire.CodeDuplicateID:
		return "ID-TAKEN", textTaken
	case wire.CodeRoomFull, wire.CodeServerFull:
		return "ERROR", textLimit
	case wire.CodeUnauthorized:
		return "ERROR", textToken
	}
	return "ERROR", r.Text
}

// fail tells the client why it is not let in, and ends the connection.
func (p *peer) fail(typ, text string) error {
	b := append([]byte(`{"type":"`), typ...)
	b = append(b, `","payload":{"msg":`...)
	b = append(wire.AppendQuoted(b, text), '}', '}')
	if err := p.conn.Send(b); err != nil {
		return err
	}
	return wsconn.CloseError(wire.CloseNormal, "")
}

// Message implements [wsconn.Speaker]. It ignores messages without a meaning, as PeerServer does.
func (p *peer) Message(text []byte) error {
	var in incoming
	if !in.read(text) || p.sender == nil {
		return nil
	}
	switch {
	case len(in.dst) == 0 && in.typ == "LEAVE":
		p.leave()
		return nil
	case len(in.dst) == 0 || !transmitted(in.typ):
		return nil
	}
	return p.sender.send(&in)
}

// leave ends the membership.
func (p *peer) leave() {
	p.sender.stop()
	p.sender.m.Leave()
	p.sender = nil
}

// Deliver implements [wsconn.Speaker].
func (p *peer) Deliver(m *wsconn.Membership, d *wire.Delivered, out *wsconn.Messages) {
	switch d.Type {
	case wire.TypeJoined:
		out.Text([]byte(`{"type":"OPEN"}`))
	case wire.TypeOffer, wire.TypeAnswer, wire.TypeCandidate, wire.TypeMessage:
		deliver(m.ID, d, out)
	}
}

// Ended implements [wsconn.Speaker].
func (p *peer) Ended(*wsconn.Membership, wire.CloseCode, string) bool { return true }

// Closed implements [wsconn.Speaker].
func (p *peer) Closed() {
	if p.sender != nil {
		p.sender.stop()
	}
}
