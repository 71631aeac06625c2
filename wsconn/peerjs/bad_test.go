package peerjs

import (
	"strings"
	"testing"

	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn/internal/dialecttest"
)

// A message without a meaning is ignored: nobody gets anything of it, and the peer and its
// neighbours go on.
func TestWhatMeansNothingIsIgnored(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), nil)
	a, b := open(s, "a"), open(s, "b")
	for name, text := range map[string]string{
		"nothing":                    ``,
		"white space":                ` `,
		"no JSON":                    `hello`,
		"an open object":             `{"type":"OFFER"`,
		"a number":                   `1`,
		"null":                       `null`,
		"a string":                   `"OFFER"`,
		"an array":                   `[{"type":"OFFER","dst":"b","payload":1}]`,
		"two objects":                `{"type":"OFFER","dst":"b","payload":1}{}`,
		"text behind the object":     `{"type":"OFFER","dst":"b","payload":1} x`,
		"a trailing comma":           `{"type":"OFFER","dst":"b",}`,
		"single quotes":              `{'type':'OFFER','dst':'b'}`,
		"a control character":        "{\"type\":\"OFFER\",\"dst\":\"b\",\"payload\":\"\x01\"}",
		"a bad escape":               `{"type":"OFFER","dst":"b","payload":"\x"}`,
		"a bad number":               `{"type":"OFFER","dst":"b","payload":01}`,
		"NaN":                        `{"type":"OFFER","dst":"b","payload":NaN}`,
		"no type":                    `{"dst":"b","payload":1}`,
		"an empty type":              `{"type":"","dst":"b","payload":1}`,
		"an unknown type":            `{"type":"HELLO","dst":"b","payload":1}`,
		"a type in lower case":       `{"type":"offer","dst":"b","payload":1}`,
		"a type that is a number":    `{"type":1,"dst":"b","payload":1}`,
		"a type that is an object":   `{"type":{"a":"OFFER"},"dst":"b","payload":1}`,
		"the server's OPEN":          `{"type":"OPEN","dst":"b"}`,
		"the server's ERROR":         `{"type":"ERROR","dst":"b","payload":{"msg":"x"}}`,
		"the server's ID-TAKEN":      `{"type":"ID-TAKEN","dst":"b","payload":{"msg":"x"}}`,
		"a heartbeat with a dst":     `{"type":"HEARTBEAT","dst":"b"}`,
		"no dst":                     `{"type":"OFFER","payload":1}`,
		"an empty dst":               `{"type":"OFFER","dst":"","payload":1}`,
		"a dst that is null":         `{"type":"OFFER","dst":null,"payload":1}`,
		"a dst that is a number":     `{"type":"OFFER","dst":5,"payload":1}`,
		"a dst that is an array":     `{"type":"OFFER","dst":["b"],"payload":1}`,
		"a dst with half a pair":     `{"type":"OFFER","dst":"\ud800","payload":1}`,
		"an expire to nobody":        `{"type":"EXPIRE"}`,
		"a leave to somebody absent": `{"type":"LEAVE","dst":"c"}`,
		"nested too deeply":          `{"type":"OFFER","dst":"b","payload":` + strings.Repeat("[", 1500) + strings.Repeat("]", 1500) + `}`,
		"a message of version 1":     `{"type":"message","to":"b","data":1}`,
		"a join of version 1":        `{"type":"join","room":"r","from":"x"}`,
	} {
		t.Run(name, func(t *testing.T) {
			a.T, b.T = t, t
			a.Send(text)
			reaches(a, b, "a", "b")
			reaches(b, a, "b", "a")
		})
	}
}

// As deep as a message may be, it arrives, whatever it is wrapped in.
func TestDeepPayloadsArrive(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), nil)
	a, b := open(s, "a"), open(s, "b")
	payload := strings.Repeat("[", wire.MaxDepth-1) + strings.Repeat("]", wire.MaxDepth-1)
	for _, typ := range []string{"OFFER", "LEAVE"} {
		a.Send(`{"type":"` + typ + `","dst":"b","payload":[` + payload + `]}`)
		a.Send(`{"type":"` + typ + `","dst":"b","payload":` + payload + `}`)
		b.Want(`{"type":"` + typ + `","src":"a","dst":"b","payload":` + payload + `}`)
	}
	reaches(a, a, "a", "a")
}

// A frame that is no text message ends its own connection, and no other.
func TestBrokenFramesEndTheirConnection(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), nil)
	a, b := open(s, "a"), open(s, "b")
	for _, test := range []struct {
		name string
		send func(c *dialecttest.Client)
		code int
	}{
		{"binary", func(c *dialecttest.Client) { c.SendBinary("x") }, 1003},
		{"no UTF-8", func(c *dialecttest.Client) { c.Send("\xff") }, 1007},
		{"too long", func(c *dialecttest.Client) { c.Send(strings.Repeat(" ", 64<<10+1)) }, 1009},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := open(s, "c")
			c.T = t
			test.send(c)
			c.WantClose(test.code)
			reaches(a, b, "a", "b")
		})
	}
}
