package deploy

import (
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// documents have commands that readers run as they stand.
var documents = []string{
	"README.md", "README.zh-CN.md", "SECURITY.md", "CONTRIBUTING.md",
	"cmd/parleyd/README.md", "cmd/parleyd/README.zh-CN.md", "cmd/parleyd/deploy/README.md",
	"web/client/README.md", "test/bench/README.md",
}

var (
	link    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	code    = regexp.MustCompile("(?s)```.*?```")
)

// fenced returns the blocks of a document with an info string.
func fenced(t *testing.T, document, info string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", document))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)```"+info+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

// commands returns the commands of a script, each as its words; what only a shell
// can know, such as the output of another command, is empty.
func commands(t *testing.T, document, script string) (all [][]string) {
	t.Helper()
	file, err := syntax.NewParser().Parse(strings.NewReader(script), document)
	if err != nil {
		t.Fatalf("%v\n%s", err, script)
	}
	config := &expand.Config{CmdSubst: func(io.Writer, *syntax.CmdSubst) error { return nil }}
	syntax.Walk(file, func(node syntax.Node) bool {
		call, ok := node.(*syntax.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		words, err := expand.Fields(config, call.Args...)
		if err != nil {
			t.Errorf("%s: %v", document, err)
		}
		for len(words) > 0 && (words[0] == "sudo" || words[0] == "docker" && words[1] == "compose") {
			words = words[1:]
		}
		if inside := slices.Index(words, "--"); inside >= 0 && words[0] == "kubectl" {
			words = words[inside+1:]
		}
		all = append(all, words)
		return true
	})
	return all
}

// The commands in the documents are ones that this version takes: all flags of ours
// are there with values of their kind, files and targets of make that are named exist.
func TestCommandsInTheDocuments(t *testing.T) {
	soak := filepath.Join(t.TempDir(), "soak")
	if err := parleyd.Build(soak, "./cmd/soak"); err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, document := range documents {
		for _, block := range fenced(t, document, "sh") {
			for _, words := range commands(t, document, block) {
				program := filepath.Base(words[0])
				seen[program]++
				switch program {
				case "parleyd":
					if out, err := parleyd.Command(append(words[1:], "--help")...).CombinedOutput(); err != nil {
						t.Errorf("%s: %q: %s", document, words, out)
					}
				case "soak", "parley-soak":
					if out, err := exec.Command(soak, append(words[1:], "--help")...).CombinedOutput(); err != nil {
						t.Errorf("%s: %q: %s", document, words, out)
					}
				case "make":
					for _, target := range words[1:] {
						if !strings.Contains(target, "=") && !strings.Contains(string(makefile), "\n"+target+":") {
							t.Errorf("%s: there is nothing to make that is called %s", document, target)
						}
					}
				}
				for _, word := range words {
					if strings.HasPrefix(word, "cmd/") {
						if _, err := os.Stat(filepath.Join("..", "..", word)); err != nil {
							t.Errorf("%s: %q: %v", document, words, err)
						}
					}
				}
			}
		}
	}
	for _, program := range []string{"parleyd", "soak", "parley-soak", "make"} {
		if seen[program] == 0 {
			t.Errorf("no command of %s was found", program)
		}
	}
}

// anchor is the name that a heading has in links.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.NewReplacer("`", "", "*", "").Replace(heading))
}

// Links between documents lead to a file, and to a section that it has.
func TestLinksInTheDocuments(t *testing.T) {
	root := os.DirFS(filepath.Join("..", ".."))
	seen := 0
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".md") {
			return err
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(string(text), ""), -1) {
			target, section, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, ":") {
				continue // of another site
			}
			seen++
			file := name
			if target != "" {
				file = path.Join(path.Dir(name), target)
			}
			there, err := fs.ReadFile(root, file)
			if err != nil && section == "" {
				_, err = fs.Stat(root, file)
			}
			if err != nil {
				t.Errorf("%s: %s: %v", name, m[1], err)
				continue
			}
			found := section == ""
			for _, h := range heading.FindAllStringSubmatch(code.ReplaceAllString(string(there), ""), -1) {
				found = found || anchor(h[1]) == section
			}
			if !found {
				t.Errorf("%s: %s has no section %s", name, file, section)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 100 {
		t.Errorf("%d links were found", seen)
	}
}
