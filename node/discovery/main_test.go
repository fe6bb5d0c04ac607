package discovery

import (
	"testing"

	"go.uber.org/goleak"
)

// The database has a goroutine that ends one second after Close.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain"))
}
