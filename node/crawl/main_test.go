package crawl

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain lets alone what a node database leaves behind for a second after it is closed,
// and gives discovery time to end.
func TestMain(m *testing.M) {
	database := goleak.IgnoreTopFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain")
	goleak.VerifyTestMain(patient{m, database}, database)
}

// patient runs tests, and waits until all goroutines have ended, within reason.
type patient struct {
	m       goleak.TestingM
	allowed goleak.Option
}

func (p patient) Run() int {
	code := p.m.Run()
	for range 30 {
		if goleak.Find(p.allowed) == nil { // it tries for some time itself
			break
		}
	}
	return code
}
