package devnet

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain ignores a goroutine of the node database, which runs for a second after the
// database is closed. It also gives discovery time to end: that of a killed node takes one
// or two seconds.
func TestMain(m *testing.M) {
	database := goleak.IgnoreTopFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain")
	goleak.VerifyTestMain(patient{m, database}, database)
}

// patient runs the tests and then waits, for a limited time, until all goroutines have
// ended.
type patient struct {
	m       goleak.TestingM
	allowed goleak.Option
}

func (p patient) Run() int {
	code := p.m.Run()
	for range 30 {
		if goleak.Find(p.allowed) == nil { // Find itself retries for some time
			break
		}
	}
	return code
}
