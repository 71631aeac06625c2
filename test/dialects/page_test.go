package dialects

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/parley-rtc/parley/test/internal/npm"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// bundle makes one module of a script and the packages that it imports, as a page's build does.
func bundle(t *testing.T, script string, packages ...string) string {
	t.Helper()
	esbuild := filepath.Join(npm.Install(t, "esbuild@0.28.2"), "node_modules", ".bin", "esbuild")
	cmd := exec.Command(esbuild, "--bundle", "--format=esm", "--platform=browser", "--define:global=globalThis", "--define:process.env.LOG=\"\"", "--define:process.env.NODE_ENV=\"production\"")
	cmd.Dir = npm.Install(t, packages...)
	cmd.Stdin = strings.NewReader(script)
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, problems.String())
	}
	return string(out)
}

// site serves scripts, by path, and an empty page everywhere else. It returns its URL.
func site(t *testing.T, scripts map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if script, ok := scripts[r.URL.Path]; ok {
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = w.Write([]byte(script))
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>test</title>"))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// file returns a file of an npm package.
func file(t *testing.T, folder string, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{folder, "node_modules"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func window(t *testing.T, b context.Context, url string) context.Context {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// do runs the body of an async function in a window.
func do(t *testing.T, ctx context.Context, script string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 2*parleyd.Patience)
	defer cancel()
	// An error that it throws comes back as text.
	wrapped := `(async () => { try {` + script + `; return ""; } catch (error) { return String(error?.stack ?? error); } })()`
	if said, err := chromedp.Run(ctx, chromedp.Evaluate[string](wrapped, chromedp.EvalAwaitPromise)); err != nil || said != "" {
		t.Fatalf("%s\n%v", said, err)
	}
}

// value returns what an expression is in a window.
func value(t *testing.T, ctx context.Context, expression string) string {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		t.Fatal(err)
	}
	return v
}
