package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/coder/websocket"
)

// checkMessages finds the largest message that comes through, of those that the server
// accepts. It may use up the connection.
func (v *visit) checkMessages(ctx context.Context, s *socket, joined answer) {
	limit := joined.Limits.MessageBytes
	if limit <= 0 {
		v.found(CheckMessages, Skipped, "", "the server does not say how large messages may be")
		return
	}
	err := v.echo(ctx, s, joined.From, limit)
	if err == nil {
		v.found(CheckMessages, OK, "", "messages of %d bytes come through, which is all that the server accepts", limit)
		return
	}
	for size := limit / 2; size >= 256; size /= 2 {
		if v.echoAnew(ctx, size) == nil {
			v.found(CheckMessages, Problem, "Raise the limit for messages or bodies of the proxy or firewall in between. Offers of large meetings have tens of kilobytes.",
				"messages of %d bytes come through, but not of %d, which the server accepts: %v", size, limit, err)
			return
		}
	}
	v.found(CheckMessages, Problem, "A proxy may let only the handshake through.", "not even small messages come through: %v", err)
}

// echoAnew is echo on a connection of its own.
func (v *visit) echoAnew(ctx context.Context, size int) error {
	s, _, err := v.open(ctx, v.Origin)
	if err != nil {
		return err
	}
	defer s.close()
	joined, err := v.join(ctx, s)
	if err != nil {
		return err
	}
	return v.echo(ctx, s, joined.From, size)
}

// echo sends a message of a size to itself and waits for it.
func (v *visit) echo(ctx context.Context, s *socket, id string, size int) error {
	ctx, cancel := context.WithTimeout(ctx, v.Timeout)
	defer cancel()
	to, err := json.Marshal(id)
	if err != nil {
		return err
	}
	head, tail := fmt.Sprintf(`{"type":"message","to":%s,"data":"`, to), `"}`
	text := head + strings.Repeat("x", max(size-len(head)-len(tail), 0)) + tail
	if err := s.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		return err
	}
	var a answer
	_, err = s.await(ctx, func(text []byte) bool {
		a = answer{}
		return json.Unmarshal(text, &a) == nil && (a.Type == "message" || a.Type == "error")
	})
	if err == nil && a.Type == "error" {
		err = &refused{a.Code, a.Error}
	}
	return err
}
