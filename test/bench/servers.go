package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parley-rtc/parley/test/bench/load"
)

// The server runs on one core, the load on another.
const (
	serverCore = "0"
	loadCore   = "1"
)

// peerVersion is the release of PeerServer that is measured.
const peerVersion = "1.0.2"

// server is something to be measured.
type server struct {
	name, title string
	dialect     load.Dialect
	command     func(address string) []string
	tls         *tls.Config // of its clients; nil: they are plain
	relayOnly   bool        // nothing else is measured of it
}

// ours is the protocol that parleyd and the mutex hub speak.
var ours = load.Dialect{
	Path: func(string) string { return "/ws" },
	Join: func(room, id string) string { return fmt.Sprintf(`{"type":"join","room":%q,"from":%q}`, room, id) },
	Message: func(kind, to, body string) string {
		field := map[string]string{"offer": "sdp", "candidate": "candidate"}[kind]
		return fmt.Sprintf(`{"type":%q,"to":%q,%q:%s}`, kind, to, field, body)
	},
	Rooms: true,
}

// build builds all servers that this machine can run.
func build(dir, root string) ([]*server, error) {
	echo := ours
	echo.Join, echo.Echo, echo.Rooms = nil, true, false
	listen := func(name string, more ...string) func(string) []string {
		return func(address string) []string {
			return append([]string{filepath.Join(dir, name), "--listen", address}, more...)
		}
	}
	servers := []*server{
		{name: "echo", title: "echo (coder/websocket)", dialect: echo, command: listen("echo")},
		{name: "mutex", title: "mutex hub (gorilla, JSON)", dialect: ours, command: listen("mutexhub")},
		{name: "parleyd", title: "**parleyd**", dialect: ours, command: listen("parleyd", "--admin-listen", "", "--join-timeout", "0", "--rate", "0", "--rate-bytes", "0", "--rate-changes", "0", "--max-room-members", "0")},
	}
	for name, from := range map[string][2]string{"echo": {".", "./echo"}, "mutexhub": {".", "./mutexhub"}, "parleyd": {root, "./cmd/parleyd"}} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), from[1])
		cmd.Dir = from[0]
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building %s: %w\n%s", name, err, out)
		}
	}
	if peer := peerServer(); peer != nil {
		servers = slices.Insert(servers, 2, peer)
	}
	if limit := limit(dir, servers[0]); limit != nil {
		servers = slices.Insert(servers, 0, limit)
	}
	return servers, nil
}

// peerServer installs PeerServer where Node is there.
func peerServer() *server {
	node, err := exec.LookPath("node")
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: without node there is no PeerServer")
		return nil
	}
	folder := cache()
	script := filepath.Join(folder, "node_modules", "peer", "dist", "bin", "peerjs.js")
	if _, err := os.Stat(script); err != nil {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			return nil
		}
		install := exec.Command("npm", "install", "--no-save", "--no-audit", "--no-fund", "--prefix", folder, "peer@"+peerVersion)
		if out, err := install.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "bench: PeerServer could not be installed: %v\n%s", err, out)
			return nil
		}
	}
	version, _ := exec.Command(node, "--version").Output()
	return &server{name: "peer", title: "PeerServer " + peerVersion + " (Node " + strings.TrimSpace(string(version)) + ")", dialect: load.Dialect{
		Path: func(id string) string { return "/peerjs?key=peerjs&id=" + id + "&token=t" },
		Message: func(kind, to, body string) string {
			return fmt.Sprintf(`{"type":%q,"dst":%q,"payload":%s}`, strings.ToUpper(kind), to, body)
		},
	}, command: func(address string) []string {
		_, port, _ := net.SplitHostPort(address)
		return []string{node, script, "--port", port, "--path", "/", "--concurrent_limit", "100000"}
	}}
}

// process is a running server.
type process struct {
	address string
	cmd     *exec.Cmd
}

func (s *server) start() (*process, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	_ = l.Close()
	args := s.command(address)
	if _, err := exec.LookPath("taskset"); err == nil && runtime.NumCPU() > 0 && os.Getenv("BENCH_PINNED") != "" {
		args = append([]string{"taskset", "-c", serverCore}, args...)
	}
	p := &process{address: address, cmd: exec.Command(args[0], args[1:]...)}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			return p, nil
		}
		if time.Now().After(deadline) {
			p.stop()
			return nil, fmt.Errorf("%s does not answer: %w", s.name, err)
		}
	}
}

func (p *process) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// cpu returns the CPU time that the process has used, as the system counts it.
func (p *process) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / 100
}

// rss returns the memory that the process holds, in bytes.
func (p *process) rss() int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	pages, _ := strconv.Atoi(strings.Fields(string(text))[1])
	return pages * os.Getpagesize()
}
