package wsconn_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/wsconn"
)

// A Go program mounts the handler in its own server.
func Example() {
	h, err := hub.New(hub.Options{MaxRoomMembers: 100})
	if err != nil {
		fmt.Println(err)
		return
	}
	signaling, err := wsconn.NewHandler(h, wsconn.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer signaling.Close()
	server := httptest.NewServer(signaling) // or http.Handle("/ws", signaling)
	defer server.Close()

	ctx := context.Background()
	client, _, err := websocket.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := client.Write(ctx, websocket.MessageText, []byte(`{"type":"join","room":"garden","from":"ann"}`)); err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		_, message, err := client.Read(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(string(message))
	}
	_ = client.Close(websocket.StatusNormalClosure, "")
	if err := signaling.Shutdown(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// {"type":"joined","room":"garden","from":"ann","limits":{"message_bytes":65536}}
	// {"type":"room_members","room":"garden","members":["ann"]}
}
