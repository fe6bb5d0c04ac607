package node

import (
	"net/netip"
	"slices"
	"time"
)

const (
	// awaitTime is how long a connection that was announced may take to come.
	awaitTime = 10 * time.Second
	// maxAwaited bounds the addresses that may be waited for. Who comes when there are more
	// is treated as everybody else.
	maxAwaited = 256
)

// awaited is the addresses from which a connection was announced. It is a plain value.
type awaited struct {
	list []announced // in the order of their end
}

type announced struct {
	from  netip.Addr
	until time.Time
}

// add lets one connection from an address be expected, not more however often it is said.
func (a *awaited) add(from netip.Addr, now time.Time) {
	a.remove(from, now)
	if len(a.list) < maxAwaited {
		a.list = append(a.list, announced{from, now.Add(awaitTime)})
	}
}

// remove ends that, and says whether one was expected.
func (a *awaited) remove(from netip.Addr, now time.Time) (expected bool) {
	a.list = slices.DeleteFunc(a.list, func(one announced) bool {
		over := !now.Before(one.until)
		expected = expected || one.from == from && !over
		return over || one.from == from
	})
	return expected
}

// Await implements punch.Door.
func (d *door) Await(from netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.awaited.add(from.Unmap(), d.clock.Now())
}

// arrived says whether a connection from an address was announced, and takes it as come.
func (d *door) arrived(from netip.Addr) bool {
	if d == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.awaited.remove(from, d.clock.Now())
}
