package storm_test

import (
	"os"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

func TestMain(m *testing.M) { fixture.Main(m) }

// stormTime is how long a storm lasts: d, unless TROUPE_STORM sets it.
func stormTime(t *testing.T, d time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv("TROUPE_STORM")
	if text == "" {
		return d
	}
	set, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("TROUPE_STORM: %v", err)
	}
	return set
}
