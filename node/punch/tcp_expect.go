package punch

import (
	"net/netip"
	"slices"
	"time"
)

const (
	// announcedTime is how long an announced connection may take to arrive.
	announcedTime = 10 * time.Second
	// maxAnnounced limits the addresses from which a connection was announced. Beyond it an
	// announced connection is treated like any other.
	maxAnnounced = 256
)

// announcements are the addresses from which a connection was announced over discovery. It is
// a plain value.
type announcements struct {
	list []announcement // the first ends first
}

type announcement struct {
	from  netip.Addr
	until time.Time
}

// add announces one connection from an address. Repeated announcements of an address count as
// one.
func (a *announcements) add(from netip.Addr, now time.Time) {
	a.remove(from, now)
	if len(a.list) < maxAnnounced {
		a.list = append(a.list, announcement{from, now.Add(announcedTime)})
	}
}

// remove removes the announcement of an address. It returns false if there was none.
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

// Announced reports whether a connection from an address was announced. It removes the
// announcement: only one connection is exempt.
func (p *ListenPort) Announced(from netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.announced.remove(from, p.Clock.Now())
}
