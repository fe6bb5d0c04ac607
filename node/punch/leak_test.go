package punch_test

import (
	"errors"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/node/punch"
)

// A connection that only keeps the port mapped is closed, even if it is established after the call has ended and
// its actor has stopped.
func TestPortConnectionIsClosed(t *testing.T) {
	inWorld(t, func(w *world) {
		relay := w.add(public, "30.1.1.10")
		a, b := w.add(restricted, "30.10.10.1", relay), w.add(symmetric, "30.20.20.1", relay)
		stabilise()
		a.mu.Lock()
		a.sight = 20 * time.Second
		a.mu.Unlock()
		if r := <-w.reach(a, b); !errors.Is(r.Err, punch.ErrUDPOnly) {
			t.Fatal(r.Err)
		}
	})
}
