package config

import (
	"fmt"
	"regexp"
	"strings"
)

// prefix begins the names of environment variables that are settings.
const prefix = "PARLEY_"

// foreign matches variables that Kubernetes and Docker set for a service whose name
// begins with parley. PARLEY_PORT=8090 is none of them, but a mistake.
var foreign = regexp.MustCompile(`^\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)=|^\w+_PORT=(tcp|udp|sctp)://`)

// ofCommands are variables of the commands beside the daemon.
var ofCommands = map[string]bool{"PARLEY_ADMIN_URL": true}

// CheckEnvironment finds a variable that begins with PARLEY_ and is no setting. The
// environment is in the form of os.Environ. The error is one line for people.
func (c *Config) CheckEnvironment(environment []string) error {
	for _, text := range environment {
		name, _, _ := strings.Cut(text, "=")
		setting, ours := strings.CutPrefix(name, prefix)
		if !ours || ofCommands[name] || foreign.MatchString(text) {
			continue
		}
		if setting != strings.ToUpper(setting) || strings.Contains(setting, "-") || c.flags.Lookup(strings.ToLower(strings.ReplaceAll(setting, "_", "-"))) == nil {
			return fmt.Errorf("%s: unknown setting; see parleyd --help", name)
		}
	}
	return nil
}
