package process

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

const pebble = "github.com/letsencrypt/pebble/v2/cmd/"

// pebbleVersion is the version of the test authority.
const pebbleVersion = "@v2.10.1"

// Authority is Pebble, an ACME authority for tests, for which all names are 127.0.0.1.
type Authority struct {
	Directory string // URL
	RootFile  string // what its own certificate is signed by

	cmd *exec.Cmd
}

// AuthorityOptions say how a server is reached, and what it gets.
type AuthorityOptions struct {
	HTTPPort, TLSPort string // of the server that asks for certificates
	Seconds           int    // that certificates are valid for
	Blocked           string // a domain that gets none
	CertFile, KeyFile string // of the authority's own HTTPS
}

// StartAuthority runs Pebble until the end of the test.
func StartAuthority(t *testing.T, o AuthorityOptions) *Authority {
	t.Helper()
	resolver := "127.0.0.1:" + FreePort(t)
	Start(t, exec.Command(parleyd.Install(t, pebble+"pebble-challtestsrv"+pebbleVersion),
		"-dnsserver", resolver, "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "",
		"-management", "127.0.0.1:"+FreePort(t), "-defaultIPv6", ""))
	AwaitTCP(t, resolver)

	a := &Authority{RootFile: o.CertFile}
	listen := net.JoinHostPort("127.0.0.1", FreePort(t))
	a.Directory = "https://" + listen + "/dir"
	httpPort, _ := strconv.Atoi(o.HTTPPort)
	tlsPort, _ := strconv.Atoi(o.TLSPort)
	text, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": "127.0.0.1:" + FreePort(t),
		"certificate": o.CertFile, "privateKey": o.KeyFile,
		"httpPort": httpPort, "tlsPort": tlsPort, "keyAlgorithm": "ecdsa",
		"domainBlocklist": []string{o.Blocked},
		"retryAfter":      map[string]int{"authz": 1, "order": 1},
		"profiles":        map[string]any{"default": map[string]any{"description": "short", "validityPeriod": o.Seconds}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	settings := filepath.Join(t.TempDir(), "pebble.json")
	if err := os.WriteFile(settings, text, 0o600); err != nil {
		t.Fatal(err)
	}
	a.cmd = exec.Command(parleyd.Install(t, pebble+"pebble"+pebbleVersion), "-config", settings, "-dnsserver", resolver)
	a.cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
	Start(t, a.cmd)
	AwaitTCP(t, listen)
	return a
}

// Stop ends the authority.
func (a *Authority) Stop(t *testing.T) {
	t.Helper()
	if err := a.cmd.Process.Kill(); err != nil {
		t.Fatal(fmt.Errorf("pebble: %w", err))
	}
}
