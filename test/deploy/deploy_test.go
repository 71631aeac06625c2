// Package deploy tests what comes with the daemon for those who run it: rules,
// dashboard, unit, packages, release.
package deploy

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/parley-rtc/parley/test/internal/certificate"
	"github.com/parley-rtc/parley/test/internal/nodes"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

func TestMain(m *testing.M) { parleyd.Main(m) }

// folder has what comes with the daemon.
var folder = filepath.Join("..", "..", "cmd", "parleyd", "deploy")

// run runs a command in the folder, and returns what it says.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = folder
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// The alerts are right, and fire when they should and not otherwise.
func TestAlerts(t *testing.T) {
	run(t, "promtool", "check", "rules", "alerts.yml")
	run(t, "promtool", "test", "rules", "alerts_test.yml")
}

// The files that the compose file mounts into Prometheus and Caddy are valid.
func TestComposeFiles(t *testing.T) {
	run(t, "promtool", "check", "config", "--syntax-only", "prometheus.yml")
	home := t.TempDir()
	for _, domain := range []string{"DOMAIN=", "DOMAIN=meet.example.org"} {
		validate := exec.Command("caddy", "validate", "--adapter", "caddyfile", "--config", "Caddyfile")
		validate.Dir = folder
		validate.Env = append(os.Environ(), "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home)
		if domain != "DOMAIN=" {
			validate.Env = append(validate.Env, domain)
		}
		if out, err := validate.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", domain, err, out)
		}
	}
}

// Dashboard and alerts use metrics that there are.
func TestMetricsExist(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := nodes.Start(t, 3, "--turn-listen", "127.0.0.1:0", "--webhook-secret-file", secret,
		"--event-webhook", "http://127.0.0.1:1/", "--join-webhook", "http://127.0.0.1:1/")
	_, metrics := parleyd.Get(t, c.Daemons[0].Admin, "/metrics")
	pair := certificate.New(t, t.TempDir())
	for _, d := range []*parleyd.Daemon{
		parleyd.Start(t, "--tls-cert", pair.CertFile, "--tls-key", pair.KeyFile),
		parleyd.Start(t, "--acme-domain", "meet.parley.test", "--acme-directory", "https://127.0.0.1:1/dir",
			"--acme-dir", t.TempDir(), "--redirect-listen", ""),
	} {
		_, more := parleyd.Get(t, d.Admin, "/metrics")
		metrics += more
	}
	name := regexp.MustCompile(`\b(parley|process|go)_[a-z_]+`)
	for _, file := range []string{"alerts.yml", "grafana/dashboard.json"} {
		text, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			t.Fatal(err)
		}
		found := name.FindAllString(string(text), -1)
		if len(found) == 0 {
			t.Errorf("%s has no metrics", file)
		}
		for _, metric := range found {
			if !strings.Contains(metrics, "\n"+metric+" ") && !strings.Contains(metrics, "\n"+metric+"{") {
				t.Errorf("%s: the daemon has no %s", file, metric)
			}
		}
	}
}

// The README of the daemon has every metric of the daemon.
func TestMetricsAreInREADME(t *testing.T) {
	c := nodes.Start(t, 3, "--turn-listen", "127.0.0.1:0", "--peerjs", "/")
	_, metrics := parleyd.Get(t, c.Daemons[0].Admin, "/metrics")
	readme, err := os.ReadFile("../../cmd/parleyd/README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^# TYPE (parley_\w+)`).FindAllStringSubmatch(metrics, -1)
	if len(found) < 20 {
		t.Fatalf("the daemon has %d metrics:\n%s", len(found), metrics)
	}
	for _, name := range found {
		if !regexp.MustCompile("`" + name[1] + "[`{]").Match(readme) {
			t.Errorf("README.md does not name %s", name[1])
		}
	}
}

// The panels of the dashboard lie side by side.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(folder, "grafana", "dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	taken := map[[2]int]string{}
	for _, p := range dashboard.Panels {
		if len(p.Targets) == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%s: %+v", p.Title, p)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("%s lies on %s", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		for _, target := range p.Targets {
			// promtool knows no variables of Grafana.
			expr := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*").Replace(target.Expr)
			rules := filepath.Join(t.TempDir(), "rules.yml")
			rule, _ := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "g", "rules": []any{
				map[string]any{"record": "x", "expr": expr},
			}}}})
			if err := os.WriteFile(rules, rule, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("promtool", "check", "rules", rules).CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %s", p.Title, target.Expr, out)
			}
		}
	}
}

// The unit is one, and leaves the service little that it could do.
func TestUnit(t *testing.T) {
	out := run(t, "systemd-analyze", "security", "--offline=true", "--threshold=20", "parleyd.service")
	if !strings.Contains(out, "Overall exposure level") {
		t.Errorf("systemd-analyze said %s", out)
	}
	run(t, "systemd-analyze", "verify", "--man=no", "./parleyd.socket")
	unit, err := os.ReadFile(filepath.Join(folder, "parleyd.service"))
	if err != nil {
		t.Fatal(err)
	}
	// A setting that hides /proc/sys makes Go fall back to a backlog of 128.
	if regexp.MustCompile(`(?m)^ProcSubset=`).Match(unit) {
		t.Error("the listen backlog is not the system's")
	}
	// The Unix socket of the guide is where the service may make one, and needs no chown.
	guide, err := os.ReadFile(filepath.Join(folder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	runtime := regexp.MustCompile(`(?m)^RuntimeDirectory=(\w+)$`).FindSubmatch(unit)
	for _, socket := range regexp.MustCompile(`unix:(/\S+)`).FindAllSubmatch(guide, -1) {
		if runtime == nil || !strings.HasPrefix(string(socket[1]), "/run/"+string(runtime[1])+"/") || strings.Contains(string(socket[1]), "owner=") {
			t.Errorf("the service can't listen on %s", socket[1])
		}
	}
	for _, want := range []string{"Type=notify", "WatchdogSec=", "ExecReload=/bin/kill -HUP $MAINPID"} {
		if !strings.Contains(string(unit), "\n"+want) {
			t.Errorf("the unit has no %s", want)
		}
	}
}

// The settings that packages bring are ones that the daemon starts with.
func TestSettings(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(folder, "parley.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	settings := filepath.Join(t.TempDir(), "parley.yaml")
	if err := os.WriteFile(settings, text, 0o600); err != nil {
		t.Fatal(err)
	}
	parleyd.Start(t, "--config", settings)
}

func TestHealth(t *testing.T) {
	d := parleyd.Start(t)
	health := parleyd.Command("health")
	health.Env = append(os.Environ(), "PARLEY_LISTEN="+d.Address)
	if out, err := health.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	d.Kill()
	if out, err := parleyd.Command("health", "--url", "http://"+d.Address+"/readyz").CombinedOutput(); err == nil || strings.Count(string(out), "\n") != 1 {
		t.Errorf("of a daemon that is gone: %v: %s", err, out)
	}
}
