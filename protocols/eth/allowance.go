package eth

import (
	"sync"
	"time"
)

const (
	// refusedPerSecond is how many transactions of a remote may be refused in a second. Each costs up
	// to 0.2 ms, for the signature. An honest remote has some that are late, a few in a second.
	refusedPerSecond = 100
	// refusedAtOnce is how many may be refused at once.
	refusedAtOnce = 500
)

// allowance bounds the transactions of one remote that are worked on in vain. A remote that owes is not
// listened to for a while: it takes its link for other things than transactions. Its zero value is
// ready.
type allowance struct {
	mu      sync.Mutex
	spent   float64 // of refusedAtOnce, at asOf
	asOf    time.Time
	dropped uint64
}

// spend takes n refused transactions from the allowance.
func (a *allowance) spend(now time.Time, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.restore(now)
	a.spent += float64(n)
}

// owes reports whether the allowance is used up.
func (a *allowance) owes(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.restore(now)
	return a.spent >= refusedAtOnce
}

// drop counts a message that is not looked at.
func (a *allowance) drop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dropped++
}

// messagesDropped returns how many messages were not looked at.
func (a *allowance) messagesDropped() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.dropped
}

func (a *allowance) restore(now time.Time) {
	a.spent = max(0, a.spent-now.Sub(a.asOf).Seconds()*refusedPerSecond)
	a.asOf = now
}
