// Echo sends every message back: what a WebSocket costs at the least, on the
// library that parley's handshake comes from.
package main

import (
	"flag"
	"log"
	"net/http"

	"github.com/coder/websocket"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address")
	cert := flag.String("tls-cert", "", "certificate file; none: plain HTTP")
	key := flag.String("tls-key", "", "its key")
	flag.Parse()
	if *cert != "" {
		server := http.Server{Addr: *listen, Handler: http.HandlerFunc(serve), Protocols: new(http.Protocols)}
		server.Protocols.SetHTTP1(true)
		log.Fatal(server.ListenAndServeTLS(*cert, *key))
	}
	log.Fatal(http.ListenAndServe(*listen, http.HandlerFunc(serve)))
}

func serve(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		typ, message, err := c.Read(r.Context())
		if err != nil || c.Write(r.Context(), typ, message) != nil {
			return
		}
	}
}
