package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/config"
)

// hash is what parleyd passcode prints; the documents shorten it.
const hash = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"

// The settings in the documents are ones that the daemon would start with.
func TestExamplesAreValid(t *testing.T) {
	for _, document := range []string{"README.md", "README.zh-CN.md", "deploy/README.md"} {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
		if len(blocks) == 0 {
			t.Errorf("%s has no settings", document)
		}
		for _, block := range blocks {
			settings := strings.ReplaceAll(block[1], "$2a$10$…", hash)
			file := filepath.Join(t.TempDir(), "parley.yaml")
			if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := config.Load([]string{"--config", file, "--state-dir", t.TempDir()}, func(string) (string, bool) { return "", false }); err != nil {
				t.Errorf("%s: %v\n%s", document, err, settings)
			}
		}
	}
}

// So are those of the compose file, with and without what can be given to it.
func TestComposeIsValid(t *testing.T) {
	text, err := os.ReadFile("deploy/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]struct {
			Environment map[string]string
			Ports       []string
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	service := file.Services["parleyd"]
	for name, given := range map[string]string{"nothing": "$1", "an address": "203.0.113.7"} {
		environment := map[string]string{}
		var list []string
		for key, value := range service.Environment {
			environment[key] = regexp.MustCompile(`\$\{\w+:-([^}]*)\}`).ReplaceAllString(value, given)
			list = append(list, key+"="+environment[key])
		}
		if err := config.New().CheckEnvironment(list); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		c, err := config.Load([]string{"--state-dir", "/state"}, func(key string) (string, bool) {
			value, ok := environment[key]
			return value, ok
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		published := strings.Join(service.Ports, " ")
		for _, want := range []string{c.TURN.PortRange + ":" + c.TURN.PortRange + "/udp", "3478:3478/udp", "3478:3478/tcp"} {
			if !strings.Contains(published, want) {
				t.Errorf("%s: %s is not published", name, want)
			}
		}
	}
}
