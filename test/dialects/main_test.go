// Package dialects tests the other protocols that parleyd speaks, with the clients that people
// use and beside the servers that they had.
package dialects

import (
	"testing"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

func TestMain(m *testing.M) { parleyd.Main(m, "soak") }
