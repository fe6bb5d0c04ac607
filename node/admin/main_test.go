package admin

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain: net/http waits half a second after it has refused a body, so that the client
// hears of it.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}
