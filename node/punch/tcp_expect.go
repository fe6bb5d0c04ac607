package punch

import (
	"net/netip"
	"slices"
	"time"
)

const (
	// announcedTime is how long an announced connection may take to come.
	announcedTime = 10 * time.Second
	// maxAnnounced bounds the addresses from which a connection was announced. Beyond it a
	// connection is treated like any other.
	maxAnnounced = 256
)

// announcements are the addresses from which a connection was announced over discovery. It is
// a plain value.
type announcements struct {
	list []announcement // in the order of their end
}

type announcement struct {
	from  netip.Addr
	until time.Time
}

// add expects one connection from an address. It is one however often it is announced.
func (a *announcements) add(from netip.Addr, now time.Time) {
	a.remove(from, now)
	if len(a.list) < maxAnnounced {
		a.list = append(a.list, announcement{from, now.Add(announcedTime)})
	}
}

// remove ends that. It returns false if no connection from the address was expected.
func (a *announcements) remove(from netip.Addr, now time.Time) (expected bool) {
	a.list = slices.DeleteFunc(a.list, func(one announcement) bool {
		over := !now.Before(one.until)
		expected = expected || one.from == from && !over
		return over || one.from == from
	})
	return expected
}

// Await implements [TCPPort].
func (p *ListenPort) Await(from netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.announced.add(from.Unmap(), p.Clock.Now())
}

// Announced returns true for a connection from an address from which one was announced, and
// takes it as that one.
func (p *ListenPort) Announced(from netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.announced.remove(from, p.Clock.Now())
}
