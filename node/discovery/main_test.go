package discovery

import (
	"testing"

	"go.uber.org/goleak"
)

// The database lets one goroutine linger for a second after Close.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain"))
}
