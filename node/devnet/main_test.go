package devnet

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain lets alone what a node database leaves behind for a second after it is closed.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain"))
}
