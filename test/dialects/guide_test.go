package dialects

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// The settings in the guide's pages are ones that parleyd takes.
func TestSettingsOfTheGuide(t *testing.T) {
	guide := filepath.Join("..", "..", "cmd", "parleyd", "deploy")
	pages, err := filepath.Glob(filepath.Join(guide, "moving-from-*.md"))
	if err != nil || len(pages) < 2 {
		t.Fatal(pages, err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1)
		if len(blocks) == 0 {
			t.Errorf("%s has no settings", page)
		}
		for _, block := range blocks {
			settings := filepath.Join(t.TempDir(), "parley.yaml")
			if err := os.WriteFile(settings, block[1], 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := parleyd.Command("check", settings).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s%s", page, err, block[1], out)
			}
		}
	}
}
