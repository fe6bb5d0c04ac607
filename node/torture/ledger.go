package torture

import (
	"context"
	"fmt"
	"net/netip"
	"sync"

	"github.com/ethereum/go-ethereum/rpc"
)

// maxEarly limits the ends that are reported before the attacker has registered the connection.
const maxEarly = 1 << 14

// ledger collects how connections to the node ended, in the node's own words: it subscribes to
// admin_peerEvents. It is safe for concurrent use.
type ledger struct {
	mu     sync.Mutex
	open   map[netip.AddrPort]*entry // by the attacker's end
	early  map[netip.AddrPort]string // ended before they were registered
	missed uint64
}

// entry is a connection of an attacker or of an honest link.
type entry struct {
	to    *counts
	ended chan struct{} // closes when the node has reported the end
	cause string        // then
}

func newLedger() *ledger {
	return &ledger{open: map[netip.AddrPort]*entry{}, early: map[netip.AddrPort]string{}}
}

// register enters a connection. Its end will be counted in to.
func (l *ledger) register(end netip.AddrPort, to *counts) *entry {
	e := &entry{to: to, ended: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	if old := l.open[end]; old != nil {
		close(old.ended) // its end was not reported; the port is used again
	}
	if cause, ok := l.early[end]; ok {
		delete(l.early, end)
		e.end(cause)
		return e
	}
	l.open[end] = e
	return e
}

// end notes the end of a connection.
func (l *ledger) end(at netip.AddrPort, cause string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.open[at]; e != nil {
		delete(l.open, at)
		e.end(cause)
	} else if len(l.early) < maxEarly {
		l.early[at] = cause
	}
}

func (e *entry) end(cause string) {
	e.cause = cause
	close(e.ended)
	e.to.ended(cause)
}

// forget drops the connections of earlier phases, and returns how many events were lost since the
// last call.
func (l *ledger) forget() (missed uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for at, e := range l.open {
		if e.to.over() {
			delete(l.open, at)
			close(e.ended)
		}
	}
	clear(l.early)
	missed, l.missed = l.missed, 0
	return missed
}

// peerEvent has the fields of a notification of admin_peerEvents that matter here.
type peerEvent struct {
	Type   string
	Error  string
	Remote netip.AddrPort
	Missed uint64
}

// watch reads the node's events until ctx ends, when it returns nil, or the node ends the
// subscription. started is called when the subscription has begun.
func (l *ledger) watch(ctx context.Context, ipcPath string, started func()) error {
	c, err := dialIPC(ctx, ipcPath)
	if err != nil {
		return err
	}
	defer c.close()
	events := make(chan peerEvent, 1<<10)
	sub, err := c.Subscribe(ctx, "admin", events, "peerEvents")
	if err != nil {
		return fmt.Errorf("subscribing to the node's peerEvents: %w", err)
	}
	defer sub.Unsubscribe()
	started()
	for {
		select {
		case e := <-events:
			l.note(e)
		case err := <-sub.Err():
			return fmt.Errorf("the node ended the subscription to its peerEvents: %w", orClosed(err))
		case <-ctx.Done():
			return nil
		}
	}
}

func (l *ledger) note(e peerEvent) {
	l.mu.Lock()
	l.missed += e.Missed
	l.mu.Unlock()
	if e.Type == "drop" || e.Type == "failed" {
		l.end(e.Remote, e.Error)
	}
}

// orClosed returns err, or the reason for which a subscription ends without an error.
func orClosed(err error) error {
	if err == nil {
		return rpc.ErrClientQuit
	}
	return err
}
