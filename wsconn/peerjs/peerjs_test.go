package peerjs

import (
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"github.com/parley-rtc/parley/wsconn/internal/dialecttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func query(id, token string) string {
	return fmt.Sprintf("?key=k&id=%s&token=%s&version=1.5.5", id, token)
}

// open dials a peer that is let in.
func open(s *dialecttest.Server, id string) *dialecttest.Client {
	s.T.Helper()
	c := s.Dial(query(id, "t"+id))
	c.Want(`{"type":"OPEN"}`)
	return c
}

func TestPayloadsKeepTheirBytesAndSendersCannotBeForged(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), nil)
	a, b := open(s, "a"), open(s, "b")
	for _, typ := range []string{"OFFER", "ANSWER", "CANDIDATE", "LEAVE", "EXPIRE"} {
		a.Send(`{"src":"b","payload":{"n": 1.50, "x":[ null,"\u00e9"]},"dst":"b","type":"` + typ + `"}`)
		b.Want(`{"type":"` + typ + `","src":"a","dst":"b","payload":{"n": 1.50, "x":[ null,"\u00e9"]}}`)
	}
	a.Send(`{"type":"LEAVE","dst":"b"}`)
	b.Want(`{"type":"LEAVE","src":"a","dst":"b"}`)
}
