package deploy

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parley-rtc/parley/test/internal/parleyd"
	"github.com/parley-rtc/parley/test/internal/process"
)

// image is the daemon's image, built from its Dockerfile.
type image struct {
	t    *testing.T
	root string // its files
}

// buildah runs buildah with a store of its own.
func buildah(t *testing.T, store string, args ...string) string {
	t.Helper()
	cmd := exec.Command("buildah", append([]string{"--root", filepath.Join(store, "root"), "--runroot", filepath.Join(store, "run"), "--storage-driver", "vfs"}, args...)...)
	var told strings.Builder
	cmd.Stderr = &told
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("buildah %q: %v\n%s%s", args, err, out, told.String())
	}
	return strings.TrimSpace(string(out))
}

// buildImage builds the last stage of the Dockerfile. The result of its first stage comes
// from a folder: an image with Go is not needed.
func buildImage(t *testing.T) *image {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can build and run an image here")
	}
	store, stage := t.TempDir(), t.TempDir()
	out := filepath.Join(stage, "out")
	certificates := filepath.Join(stage, "etc", "ssl", "certs")
	for _, dir := range []string{filepath.Join(out, "state"), certificates} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(certificates, "ca-certificates.crt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(out, "parleyd"), "./cmd/parleyd")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	buildah(t, store, "bud", "--isolation", "chroot", "--format", "docker", "--build-context", "build="+stage,
		"-f", filepath.Join(folder, "Dockerfile"), "-t", "parleyd", t.TempDir())
	container := buildah(t, store, "from", "parleyd")
	var config struct {
		Docker struct {
			Config struct {
				User        string
				Entrypoint  []string
				Env         []string
				Volumes     map[string]struct{}
				Healthcheck struct{ Test []string }
			} `json:"config"`
		}
	}
	if err := json.Unmarshal([]byte(buildah(t, store, "inspect", container)), &config); err != nil {
		t.Fatal(err)
	}
	c := config.Docker.Config
	if _, has := c.Volumes["/state"]; c.User != "65532:65532" || !slices.Equal(c.Entrypoint, []string{"/parleyd"}) || !has ||
		!slices.Contains(c.Env, "STATE_DIRECTORY=/state") || !slices.Equal(c.Healthcheck.Test, []string{"CMD", "/parleyd", "health"}) {
		t.Errorf("the image is %+v", c)
	}
	i := &image{t, buildah(t, store, "mount", container)}
	if err := os.Mkdir(filepath.Join(i.root, "proc"), 0o555); err != nil {
		t.Fatal(err)
	}
	return i
}

// contain is how a container runs: the image read-only, its volume fresh, its process
// the first one, without rights. $1 is the image, $2 a file of settings or nothing.
const contain = `set -e
root=$1 file=$2
shift 2
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o uid=65532,gid=65532,mode=0700 tmpfs "$root/state"
if [ -n "$file" ]; then
  cp "$file" "$root/state/parley.yaml"
  chmod 644 "$root/state/parley.yaml"
fi
mount -o remount,ro,bind "$root"
exec setpriv --no-new-privs chroot --userspec=65532:65532 --groups= "$root" /parleyd "$@"`

// container is a running one.
type container struct {
	*parleyd.Daemon
	image *image
}

// run runs the image as a container runtime does; on the host's network.
func (i *image) run(settings string, env []string, args ...string) *container {
	i.t.Helper()
	file := ""
	if settings != "" {
		file = filepath.Join(i.t.TempDir(), "parley.yaml")
		if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
			i.t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", append([]string{"-c", contain, "sh", i.root, file}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "STATE_DIRECTORY=/state"}, env...)
	return &container{parleyd.StartCommand(i.t, cmd), i}
}

// healthy runs the image's health check in the container.
func (c *container) healthy(env ...string) error {
	cmd := exec.Command("nsenter", "-t", strconv.Itoa(c.Pid()), "-m", "-p", "chroot", "--userspec=65532:65532", "--groups=", c.image.root, "/parleyd", "health")
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "STATE_DIRECTORY=/state"}, env...)
	return cmd.Run()
}

// The image runs read-only as a user without rights, with settings from flags, a file or
// the environment, and its health check asks where these have the daemon listen.
func TestImage(t *testing.T) {
	i := buildImage(t)
	address := func() string { return "127.0.0.1:" + process.FreePort(t) }
	flags, file, env := address(), address(), "PARLEY_LISTEN="+address()
	for name, c := range map[string]*container{
		"flags":       i.run("", nil, "--listen", flags, "--admin-listen", ""),
		"file":        i.run("listen: "+file+"\nadmin-listen: \"\"\n", nil, "--config", "/state/parley.yaml"),
		"environment": i.run("", []string{env, "PARLEY_ADMIN_LISTEN="}),
		"TURN":        i.run("", nil, "--listen", address(), "--admin-listen", "", "--turn-listen", "127.0.0.1:0"),
	} {
		var own []string
		if name == "environment" {
			own = []string{env, "PARLEY_ADMIN_LISTEN="}
		}
		if err := c.healthy(own...); err != nil {
			t.Errorf("%s: it is not healthy: %v", name, err)
		}
		status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(c.Pid()), "status"))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"\nUid:\t65532\t65532\t65532\t65532\n", "\nCapEff:\t0000000000000000\n"} {
			if !strings.Contains(string(status), want) {
				t.Errorf("%s: it runs as %s", name, status)
			}
		}
		for _, line := range c.Lines() {
			if line["msg"] == "state not kept" {
				t.Errorf("%s: %v", name, line)
			}
		}
	}
}

// Three containers are a cluster, with a volume each and nothing else that they could
// write to.
func TestImageInACluster(t *testing.T) {
	i := buildImage(t)
	names := []string{"a", "b", "c"}
	var peers []string
	for range names {
		peers = append(peers, "127.0.0.1:"+process.FreePort(t))
	}
	var all []*container
	for n, name := range names {
		args := []string{"--listen", "127.0.0.1:" + process.FreePort(t), "--admin-listen", "", "--node", name, "--cluster-dir", "/state/cluster", "--cluster-listen", peers[n]}
		for _, p := range peers {
			args = append(args, "--cluster-peer", p)
		}
		all = append(all, i.run("", nil, args...))
	}
	for _, c := range all {
		c.Wait(t, "cluster ready")
		deadline := time.Now().Add(parleyd.Patience)
		for c.healthy() != nil {
			if time.Now().After(deadline) {
				t.Fatal("a node is not healthy")
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}
