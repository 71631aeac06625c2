package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// release makes a release for this kind of machine, and returns its folder and the
// checksums by file.
func release(t *testing.T, environment ...string) (string, map[string]string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(filepath.Join(folder, "release.sh"), dir)
	cmd.Env = append(append(os.Environ(), "TARGETS=linux/amd64 windows/arm64"), environment...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]string{}
	for line := range strings.Lines(string(text)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		sums[name] = sum
	}
	return dir, sums
}

func one(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %q %v", pattern, found, err)
	}
	return found[0]
}

// A release has what it should, packages hold programs that run, and a second one has
// the same bytes.
func TestRelease(t *testing.T) {
	dir, sums := release(t)
	if len(sums) != 5 { // two archives, two packages, the bill of materials
		t.Errorf("the release has %v", sums)
	}
	root := t.TempDir()
	run(t, "dpkg-deb", "-x", one(t, filepath.Join(dir, "*.deb")), root)
	for _, program := range []string{"parleyd", "parley-soak"} {
		out := run(t, filepath.Join(root, "usr", "bin", program), "--version")
		if strings.Contains(out, "unknown") {
			t.Errorf("%s: %s", program, out)
		}
	}
	for _, file := range []string{
		"usr/lib/systemd/system/parleyd.service", "usr/lib/systemd/system/parleyd.socket", "etc/parley/parley.yaml", "usr/share/man/man8/parleyd.8.gz",
		"usr/share/man/man8/parleyd-admin-kick.8.gz", "usr/share/bash-completion/completions/parleyd",
	} {
		if _, err := os.Stat(filepath.Join(root, file)); err != nil {
			t.Error(err)
		}
	}
	manual := run(t, "man", "-l", "-P", "cat", filepath.Join(root, "usr/share/man/man8/parleyd.8.gz"))
	if !strings.Contains(manual, "--queue-bytes") {
		t.Errorf("the manual is %q", manual)
	}
	if list := run(t, "rpm", "-qlp", one(t, filepath.Join(dir, "*.rpm"))); !strings.Contains(list, "/usr/bin/parleyd\n") {
		t.Errorf("the rpm has %s", list)
	}

	_, again := release(t)
	for name, sum := range sums {
		if again[name] != sum {
			t.Errorf("%s is not the same a second time", name)
		}
	}
}
