package dialects

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/parley-rtc/parley/test/internal/npm"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// trackerSuite lays bittorrent-tracker's own tests out as its repository does, in a temporary
// folder, with the package as it is on npm. It returns their files.
func trackerSuite(t *testing.T) (files []string) {
	t.Helper()
	packages := filepath.Join(npm.Install(t, append(slices.Clone(trackerPackages), "tape@5.6.6", "webtorrent-fixtures@2.0.2", "magnet-uri@7.0.5")...), "node_modules")
	t.Setenv("TAPE", filepath.Join(packages, "tape", "index.js"))
	root := t.TempDir()
	suite := filepath.Join(root, "suite")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.CopyFS(suite, os.DirFS(filepath.Join("testdata", "bittorrent-tracker"))))
	must(os.MkdirAll(filepath.Join(suite, "node_modules", "tape"), 0o755))
	must(os.MkdirAll(filepath.Join(suite, "lib"), 0o755))
	for path, text := range map[string]string{
		"package.json":                   `{"type":"module"}`,
		"node_modules/tape/package.json": `{"type":"module","main":"index.js"}`,
		"index.js":                       `export { default, Server } from "bittorrent-tracker";`,
		"lib/common.js":                  `export default {};`, // for tests over HTTP, which do not run
	} {
		must(os.WriteFile(filepath.Join(suite, path), []byte(text), 0o644))
	}
	for from, to := range map[string]string{"common.js": "test/common.js", "tape.js": "node_modules/tape/index.js"} {
		text, err := os.ReadFile(filepath.Join("testdata", "tracker-suite", from))
		must(err)
		must(os.WriteFile(filepath.Join(suite, to), text, 0o644))
	}
	must(os.Symlink(packages, filepath.Join(root, "node_modules")))
	files, err := filepath.Glob(filepath.Join("testdata", "bittorrent-tracker", "test", "*.js"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for i := range files {
		files[i] = filepath.Join(suite, "test", filepath.Base(files[i]))
	}
	return files
}

// bittorrent-tracker's own tests of WebSocket pass against parleyd.
func TestTrackerSuite(t *testing.T) {
	d := parleyd.Start(t, "--webtorrent", "/tracker")
	for _, file := range trackerSuite(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*parleyd.Patience)
			defer cancel()
			c := exec.CommandContext(ctx, "node", "--no-warnings", file)
			c.Env = append(os.Environ(), "TRACKER=ws://"+d.Address+"/tracker")
			out, err := c.CombinedOutput()
			if err != nil || !regexp.MustCompile(`(?m)^# pass +[1-9]`).Match(out) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
