package cluster

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/test/internal/nodes"
)

// kills is how many nodes TestKill kills, one after the other.
var kills = flag.Int("kills", 1, "nodes that TestKill kills, one after the other")

// A node is killed, as a machine fails. Only sessions that are told to have ended end: those of its clients in rooms
// that it owned. No message of others is lost, repeated or out of order,
// and nobody is told that somebody has left who has not.
func TestKill(t *testing.T) {
	c := nodes.Start(t, 3)
	file := filepath.Join(t.TempDir(), "report.json")
	// The register chooses another leader too, if the node was that.
	s := startSoak(t, c.Balanced, append(rollingArgs("1h"), "--late", "15s", "--objective", "sessions<=1000000", "--expect-breaks", "1000000", "--json", file)...)
	time.Sleep(7 * time.Second)
	for i := range *kills {
		c.Daemons[i%3].Kill()
		c.Restart(i % 3)
		c.AwaitReady(i % 3)
		time.Sleep(3 * time.Second)
	}
	time.Sleep(3 * time.Second)
	s.interrupt()
	s.passes()
	var report struct {
		Faults []struct {
			Kind     string
			Examples []struct{ Text string }
		}
	}
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &report)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range report.Faults {
		for _, example := range kind.Examples {
			if !strings.Contains(example.Text, "session_expired") {
				t.Errorf("a session ended without a word: %s", example.Text)
			}
		}
	}
}
