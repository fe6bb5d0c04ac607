package admin

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain ignores a goroutine of net/http, which waits half a second after it has rejected
// a body, so the client can read the answer.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}
