package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/wire"
)

// This file carries requests from node to node: each is answered by the one that it is sent to.

// request is what one node asks another.
type request struct {
	What string          // "rooms", "room", "count", "clients", "calls", "call", "node", "kick", "lock", "unlock", "close", "announce"
	Room string          `json:",omitempty"`
	ID   string          `json:",omitempty"`
	Data json.RawMessage `json:",omitempty"`
}

// reply is the answer to a request, or why there is none.
type reply struct {
	Value json.RawMessage
	Error string `json:",omitempty"`
	Moves bool   `json:",omitempty"` // the room is on its way to another owner, or from one: ask again
}

var (
	errNoAnswer = errors.New("cluster: a node does not answer")
	errMoves    = errors.New("cluster: the room has no owner that knows it at the moment")
)

// request sends a request to a node and returns its answer.
func (n *Node) request(ctx context.Context, l *link, q request) ([]byte, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	id, answer := randomID(), make(chan []byte, 1)
	n.mu.Lock()
	n.requests[id] = answer
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		delete(n.requests, id)
		n.mu.Unlock()
	}()
	l.write(func(w *writer) {
		w.b = append(w.b, recRequest)
		w.fixed(id)
		w.bytes(body)
	})
	l.flush()
	select {
	case b := <-answer:
		var r reply
		if err := json.Unmarshal(b, &r); err != nil {
			return nil, err
		}
		if r.Moves {
			return nil, errMoves
		}
		if r.Error != "" {
			return nil, fmt.Errorf("cluster: node %s: %s", l.node, r.Error)
		}
		return r.Value, nil
	case <-l.stop:
		return nil, errNoAnswer
	case <-n.stop:
		return nil, actor.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// requested answers a request of another node, or takes the answer to one of ours.
func (n *Node) requested(l *link, rec record) {
	r := &reader{b: rec.b[1:]}
	id, body := r.fixed(), bytes.Clone(r.bytes())
	if r.bad {
		l.refuse(rec.b[0])
		return
	}
	if rec.b[0] == recAnswer {
		n.mu.RLock()
		waiting := n.requests[id]
		n.mu.RUnlock()
		actor.Give(waiting, body) // nil: nobody waits any more
		return
	}
	n.stopped.Go(func() {
		ctx, cancel := context.WithTimeout(n.ctx, putTime)
		defer cancel()
		answer := n.answer(ctx, body)
		l.write(func(w *writer) {
			w.b = append(w.b, recAnswer)
			w.fixed(id)
			w.bytes(answer)
		})
		l.flush()
	})
}

// outcomeOf is the answer to an order.
type outcomeOf struct {
	Refusal *wire.Refusal `json:",omitempty"`
	Error   string        `json:",omitempty"`
}

func (n *Node) answer(ctx context.Context, body []byte) []byte {
	var r reply
	value, err := n.valueOf(ctx, body)
	if err == nil {
		r.Value, err = json.Marshal(value)
	}
	if err != nil {
		r = reply{Error: err.Error(), Moves: errors.Is(err, errMoves)}
	}
	b, _ := json.Marshal(r) // can't fail
	return b
}

// valueOf returns what a request asks for.
func (n *Node) valueOf(ctx context.Context, body []byte) (answer any, err error) {
	var q request
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	h := n.present()
	if q.Room != "" {
		return n.ofRoom(ctx, h, q)
	}
	switch q.What {
	case "rooms":
		answer, err = h.Rooms(ctx)
	case "clients":
		answer, err = n.ownClients(ctx, h)
	case "calls":
		answer, err = h.Calls(ctx)
	case "call":
		answer, err = h.Call(ctx, q.ID)
	case "node":
		answer, err = n.info()
	default:
		answer = outcomeOf{Error: "there is no such request"}
	}
	return answer, err
}

// ofRoom returns what a request of one room asks for. While the room has another owner, or not all
// of it is known yet, there is no answer: errMoves.
func (n *Node) ofRoom(ctx context.Context, h *actor.Hub, q request) (answer any, err error) {
	epoch := n.takesCommands(q.Room)
	if epoch == 0 {
		return nil, errMoves
	}
	found := true // or else it may be that the room has just gone
	switch q.What {
	case "room":
		var d *actor.RoomDetail
		d, err = h.Room(ctx, q.Room)
		answer, found = d, d != nil
	case "count":
		var c actor.Counted
		c, err = h.Count(ctx, q.Room, q.Data)
		answer, found = c, false
	default:
		o := n.carryOut(ctx, h, q)
		answer, found = o, o.Refusal == nil
	}
	if err == nil && !found && n.takesCommands(q.Room) != epoch {
		return nil, errMoves
	}
	return answer, err
}

// takesCommands returns the epoch in which this node owns the partition of a room, and knows all of
// it; 0: it does not.
func (n *Node) takesCommands(room string) (epoch uint64) {
	n.call(n.post, func() {
		if p := &n.control.owner.parts[PartitionOf(room)]; p.state == partReady {
			epoch = p.epoch
		}
	})
	return epoch
}

func (n *Node) present() *actor.Hub {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.hub
}

// carryOut carries an order out in a room of this node.
func (n *Node) carryOut(ctx context.Context, h *actor.Hub, q request) outcomeOf {
	o := actor.Order{Room: q.Room}
	var c actor.Ordered
	switch q.What {
	case "kick":
		c = &actor.Kick{Order: o, To: q.ID}
	case "lock", "unlock":
		c = &actor.Lock{Order: o, Locked: q.What == "lock"}
	case "close":
		c = &actor.CloseRoom{Order: o}
	case "announce":
		c = &actor.Announce{Order: o, Data: q.Data}
	default:
		return outcomeOf{Error: "there is no such order"}
	}
	err := h.CarryOut(ctx, c)
	var refusal *wire.Refusal
	if errors.As(err, &refusal) {
		return outcomeOf{Refusal: refusal}
	} else if err != nil {
		return outcomeOf{Error: err.Error()}
	}
	return outcomeOf{}
}
