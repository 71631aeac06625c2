package main

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parley-rtc/parley/test/bench/load"
)

// other is another protocol, with the server that it comes from.
type other struct {
	name    string // of the protocol
	flag    string // of parleyd, with the path that it serves
	release string // of npm
	script  string // of that server, in node_modules
	// command returns the arguments of node, and the environment, for a port.
	command func(script, port string) (args, environment []string)
	dialect func(path string) load.Dialect // for a server at a path; "": its own
	title   string                         // of the server
}

var others = []other{
	{
		name: "PeerJS", flag: "--peerjs=/p", release: "peer@" + peerVersion, title: "PeerServer " + peerVersion,
		script: "peer/dist/bin/peerjs.js",
		command: func(script, port string) ([]string, []string) {
			return []string{script, "--port", port, "--path", "/", "--concurrent_limit", "100000"}, nil
		},
		dialect: peerDialect,
	},
	{
		name: "y-webrtc", flag: "--y-webrtc=/y", release: "y-webrtc@10.3.0 ws@8.18.3", title: "y-webrtc 10.3.0",
		script:  "y-webrtc/bin/server.js",
		command: func(script, port string) ([]string, []string) { return []string{script}, []string{"PORT=" + port} },
		dialect: yDialect,
	},
	{
		name: "WebTorrent", flag: "--webtorrent=/t", release: "bittorrent-tracker@10.0.12", title: "bittorrent-tracker 10.0.12",
		script: "bittorrent-tracker/bin/cmd.js",
		command: func(script, port string) ([]string, []string) {
			return []string{script, "--ws", "--silent", "--http-hostname", "127.0.0.1", "--port", port}, nil
		},
		dialect: trackerDialect,
	},
}

func peerDialect(path string) load.Dialect {
	return load.Dialect{
		Path:    func(id string) string { return path + "/peerjs?key=peerjs&id=" + id + "&token=t" },
		Answers: true,
		Message: func(kind, to, body string) string {
			return fmt.Sprintf(`{"type":%q,"dst":%q,"payload":%s}`, strings.ToUpper(kind), to, body)
		},
	}
}

func yDialect(path string) load.Dialect {
	return load.Dialect{
		Path:    func(string) string { return path + "/" },
		Join:    func(room, _ string) string { return fmt.Sprintf(`{"type":"subscribe","topics":[%q]}`, room) },
		Settle:  `{"type":"ping"}`,
		Answers: true,
		Message: func(kind, to, body string) string {
			return fmt.Sprintf(`{"type":"publish","topic":%q,"data":{"to":%q,"type":%q,"signal":%s}}`, roomOf(to), to, kind, body)
		},
		For: func(id string, text []byte) bool { return bytes.Contains(text, []byte(`"to":"`+id+`"`)) },
	}
}

func trackerDialect(path string) load.Dialect {
	peer := func(id string) string { return strings.Repeat("-", 20-len(id)) + id }
	swarm := func(room string) string {
		var b []byte
		for _, c := range sha1.Sum([]byte(room)) {
			b = utf8.AppendRune(b, rune(0xA0+c%0x60))
		}
		return string(b)
	}
	return load.Dialect{
		Path: func(string) string { return path + "/" },
		Join: func(room, id string) string {
			return fmt.Sprintf(`{"action":"announce","info_hash":"%s","peer_id":"%s","event":"started","left":1}`, swarm(room), peer(id))
		},
		Answers: true,
		Message: func(kind, to, body string) string {
			n := numberOf(to)
			return fmt.Sprintf(`{"action":"announce","info_hash":"%s","peer_id":"%s","to_peer_id":"%s","offer_id":"12345678901234567890","answer":{"type":%q,"sdp":%s}}`,
				swarm(roomOf(to)), peer(fmt.Sprintf("m%05d", n^1)), peer(to), kind, body)
		},
	}
}

// numberOf is the number of a client; roomOf is the room that it shares with another.
func numberOf(id string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(id, "m"))
	return n
}

func roomOf(id string) string { return fmt.Sprintf("room%d", numberOf(id)/2) }

const thousand = "1,000 connect and join, s"

// dialectMeasures are measured of both servers of each protocol.
func dialectMeasures(brief bool) []measure {
	enter := measure{[]string{thousand}, func(s *server) (map[string]float64, error) {
		values := map[string]float64{}
		err := with(s, func(p *process, l *load.Loop) error {
			took, err := load.Enter(l, s.dialect, p.address, 1000)
			values[thousand] = took.Seconds()
			return err
		})
		return values, err
	}}
	if brief {
		return []measure{{[]string{relay1, relay1us}, func(s *server) (map[string]float64, error) {
			values := map[string]float64{}
			err := with(s, func(p *process, l *load.Loop) error {
				n, took, err := load.Relay(l, s.dialect, p.address, 5, 1, 50*time.Millisecond, 200*time.Millisecond, func() {})
				values[relay1] = float64(n) / took.Seconds()
				return err
			})
			return values, err
		}}, enter}
	}
	return []measure{relays[0], relays[1], {[]string{idle}, memory}, enter}
}

// measureDialects prints a table for each protocol.
func measureDialects(root string, rounds int, brief bool) error {
	node, err := exec.LookPath("node")
	if err != nil {
		return errors.New("without node there is nothing to compare with")
	}
	dir, err := os.MkdirTemp("", "parley-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "parleyd")
	build := exec.Command("go", "build", "-o", binary, "./cmd/parleyd")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building parleyd: %w\n%s", err, out)
	}
	formats[thousand] = "%.3f"
	if brief {
		rounds = 1
	}
	var tables []part
	for _, o := range others {
		script, err := o.install()
		if err != nil {
			return err
		}
		original := &server{name: o.title, title: o.title, dialect: o.dialect(""), command: o.start(node, script)}
		tables = append(tables, part{
			title: o.name, servers: []*server{original, o.ours(binary)}, measures: dialectMeasures(brief),
			references: map[string][]string{
				relay16: {o.title}, relay16us: {o.title}, relay1: {o.title}, relay1us: {o.title}, idle: {o.title}, thousand: {o.title},
			},
			goals: map[string]string{relay16: "≥ 4 × " + o.title},
		})
	}
	return run(tables, rounds, "")
}

// install installs the protocol's own server, once for all runs, and returns its script.
func (o *other) install() (script string, err error) {
	folder := filepath.Join(cache(), "other", o.name)
	script = filepath.Join(folder, "node_modules", filepath.FromSlash(o.script))
	if _, err := os.Stat(script); err == nil {
		return script, nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	args := append([]string{"install", "--ignore-scripts", "--no-save", "--no-audit", "--no-fund", "--prefix", folder}, strings.Fields(o.release)...)
	if out, err := exec.Command("npm", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("installing %s: %w\n%s", o.release, err, out)
	}
	return script, nil
}

// start returns the command of the protocol's own server.
func (o *other) start(node, script string) func(address string) []string {
	return func(address string) []string {
		_, port, _ := net.SplitHostPort(address)
		args, environment := o.command(script, port)
		return append(append([]string{"env"}, environment...), append([]string{node}, args...)...)
	}
}

// ours returns parleyd as a server of the protocol.
func (o *other) ours(binary string) *server {
	_, path, _ := strings.Cut(o.flag, "=")
	return &server{name: "parleyd " + o.name, title: "**parleyd**", dialect: o.dialect(path), command: func(address string) []string {
		return []string{
			binary, "--listen", address, "--admin-listen", "", "--join-timeout", "0", "--rate", "0", "--rate-bytes", "0",
			"--rate-changes", "0", o.flag,
		}
	}}
}
