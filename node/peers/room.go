package peers

const (
	// DefaultDialRatio is the share of the peers that a node dials itself: one in three.
	DefaultDialRatio = 3
	// minDialed is how many peers a node dials itself if the ratio gives fewer, up to half of
	// all peers. If each node dialed one or two peers, a small network would fall apart, and an
	// attacker could easily be both of them.
	minDialed = 4
	// spareDials is how many dials may be in progress beyond the free places.
	spareDials = 2
)

// DialShare returns how many of a number of peers are kept for dials: one in ratio.
func DialShare(peers, ratio int) int {
	return max(peers/ratio, min((peers+1)/2, minDialed))
}

// Room is the room for dynamic peers that we dial.
type Room struct {
	Limit    int // the most that there may be
	Outbound int // how many there are
}

// Free returns how many more there may be.
func (r Room) Free() int { return r.Limit - r.Outbound }

// Dials returns how many dials to dynamic nodes may be in progress at once. They are more than
// the free places, because most dials fail, often after a long wait.
func (r Room) Dials() int {
	if r.Free() <= 0 {
		return 0
	}
	return r.Free() + spareDials
}

// dialRoom computes the room. A starved node, which no node has dialed for long, may also use
// the free places that are kept for inbound peers, except a quarter of all places: if every
// node dialed until it is full, a new node would find no place anywhere. If peers on loopback
// addresses count separately, there is room for more of them even if there is none for others.
func (l Limits) dialRoom(c counts, starved bool) Room {
	r := Room{Limit: l.Outbound, Outbound: c.outbound}
	if starved && l.Outbound > 0 {
		r.Limit = max(r.Limit, l.Peers-max(1, l.Peers/4)-c.inbound)
	}
	if l.Loopback == 0 || c.loopback == 0 {
		r.Limit = min(r.Limit, c.outbound+l.Peers-c.others)
	}
	return r
}

// DialRoom returns the room for dials now. starved says that no node has dialed us for long.
func (t *Table) DialRoom(starved bool) Room {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.limits.dialRoom(t.counts, starved)
}
