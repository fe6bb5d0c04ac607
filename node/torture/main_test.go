package torture

import (
	"testing"

	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

func TestMain(m *testing.M) { fixture.Main(m) }
