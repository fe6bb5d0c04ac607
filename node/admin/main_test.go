package admin

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

// TestMain allows for net/http, which waits half a second after it has refused a body,
// so that the client can read the answer.
func TestMain(m *testing.M) {
	fixture.Main(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}
