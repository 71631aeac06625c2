package wire

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A message type or an error code that is added here is in the protocol's page and in the
// client module too.
func TestTypesAndCodesAreEverywhere(t *testing.T) {
	read := func(pattern string) string {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no files (%v)", pattern, err)
		}
		var all strings.Builder
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(text)
		}
		return all.String()
	}
	page, client, errors := read("PROTOCOL.md"), read("../../web/client/*.js"), read("../../web/client/errors.js")
	for kind := TypeUnknown + 1; kind < NumTypes; kind++ {
		if name := kind.String(); !strings.Contains(page, "`"+name+"`") && !strings.Contains(page, `"type":"`+name+`"`) {
			t.Errorf("PROTOCOL.md has no message %s", name)
		} else if !strings.Contains(client, `"`+name+`"`) {
			t.Errorf("the client module has no message %s", name)
		}
	}
	for code := NoCode + 1; int(code) < NumCodes; code++ {
		if !strings.Contains(page, "`"+code.String()+"`") {
			t.Errorf("PROTOCOL.md has no code %s", code)
		}
		if !strings.Contains(errors, `"`+code.String()+`"`) {
			t.Errorf("errors.js of the client module has no code %s", code)
		}
	}
}
