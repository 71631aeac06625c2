package webtorrent

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn"
)

// client is one connection. It may be several peers, in one swarm or in many: pages share a
// connection.
type client struct {
	dialect *Dialect
	conn    *wsconn.Conn
	token   string // for the gate; may be empty

	// Owned by the read loop.
	peers map[peerKey]*peer
}

type peerKey struct{ swarm, peer hash }

// peer is one peer in one swarm.
type peer struct {
	m        *wsconn.Membership
	complete bool // owned by the read loop
}

// isComplete is the profile of a peer that has all of the torrent.
var isComplete = json.RawMessage(`{"complete":true}`)

func profile(complete bool) json.RawMessage {
	if complete {
		return isComplete
	}
	return nil
}

// Begin implements [wsconn.Speaker].
func (c *client) Begin() error { return nil }

// Message implements [wsconn.Speaker].
func (c *client) Message(text []byte) error {
	var in incoming
	if !in.read(text) {
		return c.fail("the message is not one JSON object")
	}
	action, _ := wire.String(in.action)
	switch string(action) {
	case "announce":
		a, failure := in.announce()
		if failure != "" {
			return c.fail(failure)
		}
		return c.announce(&in, &a)
	case "scrape":
		hashes, failure := in.scraped()
		if failure != "" {
			return c.fail(failure)
		}
		return c.scrape(hashes)
	}
	return c.fail("invalid action in WS request: " + describe(in.action))
}

// describe is what the client calls its action, cut to a sensible length.
func describe(action []byte) string {
	if action == nil {
		return "undefined"
	}
	if text, ok := wire.String(action); ok {
		action = text
	}
	return wire.Cut(action, 64)
}

// fail answers a message that can't be understood.
func (c *client) fail(why string) error {
	b := wire.AppendQuoted([]byte(`{"failure reason":`), why)
	return c.conn.Send(append(b, '}'))
}

// refuse answers an announce or a scrape that can't be.
func (c *client) refuse(action string, h hash, why string) error {
	b := append([]byte(`{"action":"`), action...)
	b = wire.AppendQuoted(append(b, `","failure reason":`...), why)
	b = appendHash(append(b, `,"info_hash":`...), h)
	return c.conn.Send(append(b, '}'))
}

func (c *client) announce(in *incoming, a *announce) error {
	if a.event == "" {
		return c.refuse("announce", a.hash, "invalid event")
	}
	key := peerKey{a.hash, a.peer}
	if a.event == stopped {
		return c.stop(key, a)
	}
	known := c.peers[key] != nil
	p, err := c.enter(key, in, a)
	if p == nil || err != nil {
		return err
	}
	if complete := in.nothingLeft() || known && a.event == completed; complete && !p.complete {
		p.complete = true
		if err := p.m.Update(profile(true)); err != nil {
			return err
		}
	}
	if a.answers {
		o := wsconn.NewOutgoing(wire.TypeMessage, len(in.answer)+len(in.offerID)+wrapped)
		o.To, o.Body, o.Patience = a.to.appendHex(o.To), appendData(o.Body, nil, in.answer, in.offerID), patience
		return p.m.Pass(o)
	}
	if err := c.offer(p, in); err != nil {
		return err
	}
	return p.m.Count(counted, isComplete) // behind the offers: they are on their way by then
}

// counted is the ref of what answers an announce.
const counted = "announce"

// enter returns the peer that announces itself, new or not; nil: it can't be, and the client
// has been told.
func (c *client) enter(key peerKey, in *incoming, a *announce) (*peer, error) {
	if p := c.peers[key]; p != nil {
		return p, nil
	}
	if c.peersIn(a.hash) >= maxAlike {
		return nil, c.refuse("announce", a.hash, "this connection is too many peers of the swarm")
	}
	p := &peer{complete: in.nothingLeft()}
	m, err := c.conn.Join(wsconn.Entry{
		Room: c.dialect.room(a.hash), ID: a.peer.hex(), Meta: profile(p.complete), Token: c.token,
		MaxRooms: c.dialect.options.MaxSwarms, Capacity: c.dialect.options.MaxPeers, Quiet: true, Data: a.hash,
	})
	var refusal *wire.Refusal
	switch {
	case errors.As(err, &refusal):
		return nil, c.refuse("announce", a.hash, refusal.Text)
	case err != nil:
		return nil, err
	}
	p.m = m
	c.peers[key] = p
	return p, nil
}

// stop has a peer leave, if it is one.
func (c *client) stop(key peerKey, a *announce) error {
	known := c.isIn(a.hash)
	if p := c.peers[key]; p != nil {
		delete(c.peers, key)
		p.m.Leave()
	}
	if a.answers {
		return nil
	}
	var why string
	var err error
	if !known {
		why, err = c.allowed([]hash{a.hash})
	}
	var files []file
	if why == "" && err == nil {
		files, why, err = c.count([]hash{a.hash})
	}
	switch {
	case err != nil:
		return err
	case why != "":
		return c.refuse("announce", a.hash, why)
	}
	return c.conn.Send(c.dialect.announced(nil, a.hash, files[0].members, files[0].complete))
}

const errUnknown = "the swarm is not known at the moment: try again"

// countTime is how long other nodes may take to say who is in all swarms of a message.
const countTime = 5 * time.Second

// file is how many peers a swarm has.
type file struct{ members, complete int }

// allowed returns why the client may not know how many peers swarms have; "": it may. Each
// swarm that it is not in counts as a join: it is for the gate to decide on, and for another
// node to count.
func (c *client) allowed(hashes []hash) (why string, err error) {
	for _, h := range hashes {
		if c.isIn(h) {
			continue
		}
		var refusal *wire.Refusal
		if err := c.conn.Allowed(wsconn.Entry{Room: c.dialect.room(h), Token: c.token}); errors.As(err, &refusal) {
			return refusal.Text, nil
		} else if err != nil {
			return "", err
		}
	}
	return "", nil
}

// count returns how many peers swarms have, or why that is not known.
func (c *client) count(hashes []hash) (files []file, why string, err error) {
	err = c.conn.Aside(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), countTime)
		defer cancel()
		for _, h := range hashes {
			members, complete, err := c.dialect.swarms.Count(ctx, c.dialect.room(h), isComplete)
			if err != nil {
				why = errUnknown
				return nil
			}
			files = append(files, file{members, complete})
		}
		return nil
	})
	return files, why, err
}

// isIn reports whether the client is a peer in a swarm.
func (c *client) isIn(h hash) bool { return c.peersIn(h) > 0 }

// peersIn returns how many peers in a swarm the client is.
func (c *client) peersIn(h hash) (n int) {
	for key := range c.peers {
		if key.swarm == h {
			n++
		}
	}
	return n
}

// offer passes offers on, each to another peer of the swarm. The first is the announce's own
// message for the client's limit.
func (c *client) offer(p *peer, in *incoming) (err error) {
	seed, n := rand.Uint64(), 0
	in.eachOffer(c.dialect.options.MaxOffers, func(nth int, offer, offerID []byte) {
		if n++; err == nil && n > 1 {
			err = c.conn.Charge()
		}
		if err == nil {
			o := wsconn.NewOutgoing(wire.TypeMessage, len(offer)+len(offerID)+wrapped)
			o.Body, o.Patience = appendData(o.Body, offer, nil, offerID), patience
			o.Audience, o.Seed, o.Nth = wsconn.ToAny, seed, uint64(nth)
			err = p.m.Pass(o)
		}
	})
	return err
}

// patience is how long the client is not read while a peer has too much waiting. After that
// the message is lost, as the log has it: clients make new offers.
const patience = 3 * time.Second

// scrape answers how many peers swarms have.
func (c *client) scrape(hashes []hash) error {
	why, err := c.allowed(hashes)
	var files []file
	if why == "" && err == nil {
		files, why, err = c.count(hashes)
	}
	switch {
	case err != nil:
		return err
	case why != "":
		return c.refuse("scrape", hashes[0], why)
	}
	b := []byte(`{"action":"scrape","files":{`)
	for i, h := range hashes {
		members, complete := files[i].members, files[i].complete
		if i > 0 {
			b = append(b, ',')
		}
		b = appendHash(b, h)
		b = append(b, `:{"complete":`...)
		b = strconv.AppendInt(b, int64(complete), 10)
		b = append(b, `,"incomplete":`...)
		b = strconv.AppendInt(b, int64(members-complete), 10)
		b = append(b, `,"downloaded":`...)
		b = append(strconv.AppendInt(b, int64(complete), 10), '}')
	}
	_, seconds := c.dialect.seconds()
	b = append(b, `},"flags":{"min_request_interval":`...)
	b = strconv.AppendInt(b, seconds, 10)
	return c.conn.Send(append(b, '}', '}'))
}

// announced appends the answer to an announce.
func (d *Dialect) announced(b []byte, h hash, members, complete int) []byte {
	b = append(b, `{"complete":`...)
	b = strconv.AppendInt(b, int64(complete), 10)
	b = append(b, `,"incomplete":`...)
	b = strconv.AppendInt(b, int64(members-complete), 10)
	b = appendHash(append(b, `,"action":"announce","info_hash":`...), h)
	seconds, _ := d.seconds()
	b = append(b, `,"interval":`...)
	return append(strconv.AppendInt(b, seconds, 10), '}')
}

// Deliver implements [wsconn.Speaker].
func (c *client) Deliver(m *wsconn.Membership, d *wire.Delivered, out *wsconn.Messages) {
	h, _ := m.Data.(hash)
	switch {
	case d.Type == wire.TypePong && string(d.Ref) == counted:
		out.Text(c.dialect.announced(nil, h, d.Count, d.Alike))
	case d.Type == wire.TypeMessage:
		from, ok := hashOfID(d.From)
		var in incoming
		if !ok || !in.readSeen(d.Body) || in.offer == nil && in.answer == nil {
			return // of a member that speaks another protocol
		}
		begin, value := `{"action":"announce","answer":`, in.answer
		if value == nil {
			begin, value = `{"action":"announce","offer":`, in.offer
		}
		end := appendMember(make([]byte, 0, 512), "offer_id", in.offerID)
		end = appendHash(append(end, `,"peer_id":`...), from)
		end = appendHash(append(end, `,"info_hash":`...), h)
		out.Text([]byte(begin), value, append(end, '}'))
	}
}

// Ended implements [wsconn.Speaker]. A client can't be told that a peer is no member any more:
// it comes again when its connection is closed.
func (c *client) Ended(*wsconn.Membership, wire.CloseCode, string) bool { return true }

// Closed implements [wsconn.Speaker].
func (c *client) Closed() {}
