module github.com/parley-rtc/parley/test/bench

go 1.26.0

require (
	github.com/coder/websocket v1.8.15
	github.com/gorilla/websocket v1.5.3
	golang.org/x/sys v0.50.0
)
