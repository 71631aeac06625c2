// Mutexhub is a signaling server as they are usually written: gorilla/websocket
// with ReadJSON and WriteJSON, rooms behind a mutex, a channel of 32 messages for
// each client, and what does not fit is dropped.
package main

import (
	"flag"
	"log"
	"net/http"
	"slices"
	"sync"

	"github.com/gorilla/websocket"
)

// message is the base protocol.
type message struct {
	Type      string   `json:"type"`
	Room      string   `json:"room,omitempty"`
	From      string   `json:"from,omitempty"`
	To        string   `json:"to,omitempty"`
	SDP       any      `json:"sdp,omitempty"`
	Candidate any      `json:"candidate,omitempty"`
	Members   []string `json:"members,omitempty"`
}

type client struct {
	conn *websocket.Conn
	send chan message
	room string
	id   string
}

type hub struct {
	mu    sync.Mutex
	rooms map[string]map[string]*client
}

func (c *client) push(m message) {
	select {
	case c.send <- m:
	default: // the queue is full: dropped
	}
}

func (h *hub) join(c *client, m message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.room, c.id = m.Room, m.From
	if h.rooms[c.room] == nil {
		h.rooms[c.room] = map[string]*client{}
	}
	h.rooms[c.room][c.id] = c
	h.tell(c.room)
}

func (h *hub) leave(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.room == "" {
		return
	}
	delete(h.rooms[c.room], c.id)
	h.tell(c.room)
	if len(h.rooms[c.room]) == 0 {
		delete(h.rooms, c.room)
	}
	c.room = ""
}

// tell sends the room its members. The caller holds mu.
func (h *hub) tell(room string) {
	members := make([]string, 0, len(h.rooms[room]))
	for id := range h.rooms[room] {
		members = append(members, id)
	}
	slices.Sort(members)
	for _, c := range h.rooms[room] {
		c.push(message{Type: "room_members", Room: room, Members: members})
	}
}

func (h *hub) forward(c *client, m message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m.Room, m.From = c.room, c.id
	if to := h.rooms[c.room][m.To]; to != nil {
		to.push(m)
	}
}

func (c *client) write() {
	for m := range c.send {
		if c.conn.WriteJSON(m) != nil {
			return
		}
	}
}

func (h *hub) serve(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	c := &client{conn: conn, send: make(chan message, 32)}
	go c.write()
	defer func() {
		h.leave(c)
		close(c.send)
	}()
	for {
		var m message
		if conn.ReadJSON(&m) != nil {
			return
		}
		switch m.Type {
		case "join":
			h.join(c, m)
		case "leave":
			h.leave(c)
		case "offer", "answer", "candidate":
			h.forward(c, m)
		}
	}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address")
	flag.Parse()
	h := &hub{rooms: map[string]map[string]*client{}}
	log.Fatal(http.ListenAndServe(*listen, http.HandlerFunc(h.serve)))
}
