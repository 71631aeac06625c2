package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// unavailable is a server before which so many of the messages of a type, a join or a resume,
// are refused for each that is not, once the first free ones have passed: try again.
func unavailable(t *testing.T, upstream, kind string, free, refused int) string {
	t.Helper()
	var mu sync.Mutex
	tries := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		down, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		up, _, err := websocket.Dial(ctx, upstream, &websocket.DialOptions{
			OnPingReceived: func(context.Context, []byte) bool { return false },
		})
		if err != nil {
			return
		}
		defer up.CloseNow()
		defer down.CloseNow()
		var end sync.WaitGroup
		end.Go(func() {
			defer cancel()
			for {
				typ, text, err := down.Read(ctx)
				if err != nil {
					return
				}
				if bytes.Contains(text, []byte(`"type":"`+kind+`"`)) {
					mu.Lock()
					tries++
					refuse := tries > free && tries%(refused+1) != 0
					mu.Unlock()
					if refuse {
						_ = down.Write(ctx, websocket.MessageText, []byte(`{"type":"error","code":"unavailable","error":"try again","re":"`+kind+`"}`))
						continue
					}
				}
				if up.Write(ctx, typ, text) != nil {
					return
				}
			}
		})
		for {
			typ, text, err := up.Read(ctx)
			if err != nil || down.Write(ctx, typ, text) != nil {
				break
			}
		}
		cancel()
		end.Wait()
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}
