package web

import (
	"bytes"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
)

// The forms of import and export that the client module uses; TestBundle fails at others.
var (
	imports   = regexp.MustCompile(`^import \{ (.+) \} from "\./(\w+)\.js";$`)
	reexports = regexp.MustCompile(`^export \{ (.+) \} from "\./(\w+)\.js";$`)
	exports   = regexp.MustCompile(`^export ((?:async )?(?:class|function|const) (\w+).*)$`)
)

// bundle joins the modules of a folder into one, beginning with index.js: each becomes a
// function that returns what it exports, after those that it imports. Comments on lines of
// their own are left out.
func bundle(files fs.FS) ([]byte, error) {
	b := bundler{files: files, done: map[string]bool{}}
	b.out.WriteString("// parley-client: documented at https://github.com/parley-rtc/parley\n")
	if err := b.add("index"); err != nil {
		return nil, err
	}
	return b.out.Bytes(), nil
}

// codeOf returns the lines of a script but for empty ones and comments on lines of their own.
func codeOf(text string) (lines []string) {
	comment := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		trimmed := strings.TrimSpace(line)
		if comment = comment || strings.HasPrefix(trimmed, "/**") && !inline(trimmed); comment {
			comment = !strings.HasSuffix(trimmed, "*/")
			continue
		}
		if trimmed != "" && !strings.HasPrefix(trimmed, "//") {
			lines = append(lines, line)
		}
	}
	return lines
}

type bundler struct {
	files fs.FS
	done  map[string]bool
	out   bytes.Buffer
}

// add appends a module, and before it those that it imports.
func (b *bundler) add(name string) error {
	if b.done[name] {
		return nil
	}
	b.done[name] = true
	text, err := fs.ReadFile(b.files, name+".js")
	if err != nil {
		return err
	}
	var body strings.Builder
	var exported []string
	for _, line := range codeOf(string(text)) {
		if m := imports.FindStringSubmatch(line); m != nil {
			err = b.add(m[2])
			line = fmt.Sprintf("const { %s } = $%s;", m[1], m[2])
		} else if m := reexports.FindStringSubmatch(line); m != nil {
			err = b.add(m[2])
			line = fmt.Sprintf("export const { %s } = $%s;", m[1], m[2])
		} else if m := exports.FindStringSubmatch(line); m != nil {
			exported = append(exported, m[2])
			line = m[1]
		} else if strings.HasPrefix(line, "import ") || strings.HasPrefix(line, "export ") {
			err = fmt.Errorf("%s.js: unknown form: %s", name, line)
		}
		if err != nil {
			return err
		}
		body.WriteString(line + "\n")
	}
	if name == "index" {
		b.out.WriteString(body.String())
		return nil
	}
	fmt.Fprintf(&b.out, "const $%s = (() => {\n%sreturn { %s };\n})();\n", name, body.String(), strings.Join(exported, ", "))
	return nil
}

// inline reports whether a line that begins with a comment has code after it.
func inline(line string) bool {
	end := strings.Index(line, "*/")
	return end >= 0 && end+len("*/") < len(line)
}
