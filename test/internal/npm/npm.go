// Package npm installs what tests need of npm's registry, once for all runs.
package npm

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Install installs releases such as "peer@1.0.2" together, and returns the folder that
// holds their node_modules.
func Install(t *testing.T, releases ...string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(cache, "parley-test", strings.NewReplacer("@", "-", "/", "-").Replace(strings.Join(releases, "-")))
	done := filepath.Join(folder, "installed")
	if _, err := os.Stat(done); err == nil {
		return folder
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	install := exec.Command("npm", append([]string{"install", "--no-save", "--no-audit", "--no-fund", "--prefix", folder}, releases...)...)
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.WriteFile(done, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return folder
}
