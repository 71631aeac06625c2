// Package client tests the client module: in Node, as a package, and its examples in
// a browser.
package client

import (
	"bytes"
	"compress/gzip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-rtc/parley/test/internal/npm"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

func TestMain(m *testing.M) { parleyd.Main(m) }

// module is the folder of the client module.
var module = filepath.Join("..", "..", "web", "client")

// It works in Node, over connections that break, with a server that is played, and in calls with
// a WebRTC implementation of npm's.
func TestNode(t *testing.T) {
	d := parleyd.Start(t)
	secret := strings.Repeat("open sesame ", 3)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tokens := parleyd.Start(t, "--auth-secret-file", file)
	wrtc := npm.Install(t, "@roamhq/wrtc@0.10.0")
	tests, err := filepath.Glob("*.test.mjs")
	if err != nil || len(tests) < 4 {
		t.Fatal(tests, err)
	}
	node := exec.Command("node", append([]string{"--experimental-websocket", "--no-warnings", "--test-timeout=60000", "--test", "--test-reporter=tap"}, tests...)...)
	node.Env = append(os.Environ(), "PARLEY_URL=ws://"+d.Address+"/ws", "PARLEY_WRTC="+filepath.Join(wrtc, "node_modules"),
		"PARLEY_TOKENS_URL=ws://"+tokens.Address+"/ws", "PARLEY_SECRET="+strings.TrimSpace(secret))
	if out, err := node.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// It works in Bun, and in Deno, whose clock cannot be played.
func TestOtherRuntimes(t *testing.T) {
	d := parleyd.Start(t)
	for _, runtime := range []struct {
		name, version string
		args          []string
	}{
		{"bun", "1.4.5", []string{"test", "--timeout", "60000", "./node.test.mjs", "./signaling.test.mjs"}},
		{"deno", "2.9.6", []string{"test", "--allow-all", "--no-check", "node.test.mjs"}},
	} {
		t.Run(runtime.name, func(t *testing.T) {
			bin := filepath.Join(npm.Install(t, runtime.name+"@"+runtime.version), "node_modules", ".bin", runtime.name)
			cmd := exec.Command(bin, runtime.args...)
			cmd.Env = append(os.Environ(), "PARLEY_URL=ws://"+d.Address+"/ws")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// run runs a command in a folder, with the tools of npm packages, and returns what it says.
func run(t *testing.T, dir string, tools []string, name string, args ...string) string {
	t.Helper()
	path := os.Getenv("PATH")
	for _, folder := range tools {
		path = filepath.Join(folder, "node_modules", ".bin") + ":" + path
	}
	cmd := exec.Command("env", append([]string{"PATH=" + path, name}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// It packs to what npm expects: declarations that a strict consumer compiles against, a license,
// and a single file that works.
func TestPackage(t *testing.T) {
	tools := []string{npm.Install(t, "typescript@7.0.2"), npm.Install(t, "esbuild@0.28.2")}
	dir := t.TempDir()
	web := filepath.Join(dir, "web")
	if err := os.CopyFS(filepath.Join(web, "client"), os.DirFS(module)); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{
		filepath.Join(module, "..", "tsconfig.json"): filepath.Join(web, "tsconfig.json"),
		filepath.Join(module, "..", "..", "LICENSE"): filepath.Join(dir, "LICENSE"),
		"consumer.mts": filepath.Join(dir, "user", "consumer.mts"),
	} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	packed := run(t, filepath.Join(web, "client"), tools, "npm", "pack", "--pack-destination", dir)
	for _, file := range []string{"LICENSE", "README.md", "index.js", "types/index.d.ts", "dist/parley.min.js", "examples/video.js", "examples/react.jsx"} {
		if !strings.Contains(packed, file) {
			t.Errorf("the package lacks %s:\n%s", file, packed)
		}
	}
	archives, _ := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if len(archives) != 1 {
		t.Fatalf("packed to %v", archives)
	}
	user := filepath.Join(dir, "user")
	run(t, user, nil, "npm", "install", "--no-audit", "--no-fund", archives[0])
	run(t, user, tools, "tsc", "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2024,dom,dom.iterable", "consumer.mts")
	loads := `for (const file of ["parley-client", "parley-client/parley.min.js"]) {
	const { join, Room, ParleyError } = await import(file);
	if (![join, Room, ParleyError].every((each) => typeof each === "function")) throw file;
}`
	run(t, user, nil, "node", "--input-type=module", "-e", loads)
}

// The most that the module, and its protocol half alone, weigh: minified and compressed, in bytes.
var most = map[string]int{"index.js": 13_950, "signaling.js": 4_150}

func TestSize(t *testing.T) {
	tools := []string{npm.Install(t, "esbuild@0.28.2")}
	for file, most := range most {
		out := run(t, module, tools, "esbuild", "--bundle", "--minify", "--charset=utf8", "--format=esm", file)
		var packed bytes.Buffer
		z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		_, _ = z.Write([]byte(out))
		_ = z.Close()
		t.Logf("%s: %d bytes minified, %d compressed", file, len(out), packed.Len())
		if packed.Len() > most {
			t.Errorf("%s: %d bytes, and at most %d should be", file, packed.Len(), most)
		}
	}
}
