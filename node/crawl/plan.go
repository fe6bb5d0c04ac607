package crawl

import (
	"container/heap"
	"net/netip"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// A node without room for peers usually sends a Disconnect in place of its Hello. The crawl
// visits it again after busyAgain, up to busyTries times.
const (
	busyAgain = 10 * time.Minute
	busyTries = 6
)

// limits bound a crawl.
type limits struct {
	parallel  int           // concurrent visits
	perSecond int           // visits that begin within any second
	again     time.Duration // between two visits to a node
	nodes     int           // known nodes; more are ignored
	perHost   int           // known nodes with the same public IPv4 address or IPv6 /64
}

// plan decides which nodes to visit and when. Its size is bounded, even if remotes report
// nodes that don't exist. It survives a crash of the walker.
type plan struct {
	limits
	known    map[enode.ID]*entry
	hosts    map[netip.Prefix]int // the number of known nodes there
	queue    queue                // nodes without a visit in progress, by due time
	underWay map[enode.ID]*entry
	begun    []time.Time // start times of the last perSecond visits, oldest first

	news    time.Time // when something new last came
	visited int       // visits that have ended
	alive   int       // visits that were answered
	left    int       // nodes ignored because of the limits
}

// entry is a known node.
type entry struct {
	node  *enode.Node
	due   time.Time // time of the next visit
	alive bool      // it answered the last visit
	seen  bool      // it was visited before
	busy  int       // visits for which it had no room
}

func newPlan(l limits) *plan {
	return &plan{limits: l, known: map[enode.ID]*entry{}, hosts: map[netip.Prefix]int{}, underWay: map[enode.ID]*entry{}}
}

// learn adds or updates a node, and reports whether the node or its record is new. last is
// the time of the last visit by an earlier crawl; zero: never.
func (p *plan) learn(n *enode.Node, last, now time.Time) bool {
	if e := p.known[n.ID()]; e != nil {
		return e.update(n)
	}
	if !p.admit(n) {
		return false
	}
	e := &entry{node: n, due: now}
	if !last.IsZero() {
		e.due, e.seen = last.Add(p.again), true
	}
	p.known[n.ID()], p.news = e, now
	heap.Push(&p.queue, e)
	return true
}

// shelve adds or updates a node that is never visited, and reports whether the node or its
// record is new.
func (p *plan) shelve(n *enode.Node, now time.Time) bool {
	if e := p.known[n.ID()]; e != nil {
		return e.update(n)
	}
	if !p.admit(n) {
		return false
	}
	p.known[n.ID()], p.news = &entry{node: n}, now
	return true
}

// admit reports whether the limits permit one more node, and counts it.
func (p *plan) admit(n *enode.Node) bool {
	host, shared := hostOf(n.IPAddr())
	if len(p.known) >= p.nodes || shared && p.hosts[host] >= p.perHost {
		p.left++
		return false
	}
	if shared {
		p.hosts[host]++
	}
	return true
}

// update replaces the record of a known node with a newer one. If the node has no record and
// didn't answer, it replaces the address. The node still counts at its first address, and
// its due time doesn't change: a node that changes its record often gets no more visits.
func (e *entry) update(n *enode.Node) bool {
	moved := n.Seq() == 0 && e.node.Seq() == 0 && !e.alive && !sameEndpoint(n, e.node)
	if n.Seq() <= e.node.Seq() && !moved {
		return false
	}
	e.node = n
	return true
}

func sameEndpoint(a, b *enode.Node) bool {
	return a.IPAddr() == b.IPAddr() && a.TCP() == b.TCP() && a.UDP() == b.UDP()
}

// next returns a node to visit now, or nil and how long to wait before the next call. A
// negative wait means: until another event.
func (p *plan) next(now time.Time) (n *enode.Node, wait time.Duration) {
	if len(p.queue) == 0 || len(p.underWay) >= p.parallel {
		return nil, -1
	}
	if len(p.begun) >= p.perSecond {
		if wait := p.begun[0].Add(time.Second).Sub(now); wait > 0 {
			return nil, wait
		}
		p.begun = append(p.begun[:0], p.begun[1:]...)
	}
	if wait := p.queue[0].due.Sub(now); wait > 0 {
		return nil, wait
	}
	e := heap.Pop(&p.queue).(*entry)
	p.underWay[e.node.ID()] = e
	p.begun = append(p.begun, now)
	return e.node, 0
}

// done ends a visit. alive: the node answered. busy: it answered without a Hello.
func (p *plan) done(id enode.ID, alive, busy bool, now time.Time) {
	e := p.underWay[id]
	if e == nil {
		return // a visit of an earlier incarnation
	}
	delete(p.underWay, id)
	e.due, e.alive = now.Add(p.again), alive
	if busy && e.busy < busyTries {
		e.busy++
		e.due = now.Add(min(busyAgain, p.again))
	}
	if !e.seen {
		e.seen, p.news = true, now
	}
	p.visited++
	if alive {
		p.alive++
	}
	heap.Push(&p.queue, e)
}

// restore puts the visits that a crash has interrupted back into the queue.
func (p *plan) restore(now time.Time) {
	for id, e := range p.underWay {
		delete(p.underWay, id)
		e.due = now
		heap.Push(&p.queue, e)
	}
}

// backlog returns the number of visits that are due now, counted up to a limit.
func (p *plan) backlog(now time.Time, limit int) int {
	return p.queue.dueBefore(0, now, limit)
}

// quietFor returns the time since something new came. It returns 0 while a visit is due or
// in progress.
func (p *plan) quietFor(now time.Time) time.Duration {
	if len(p.underWay) > 0 || p.backlog(now, 1) > 0 {
		return 0
	}
	return now.Sub(p.news)
}

// hostOf returns the public IPv4 address or IPv6 /64 that counts for the limit per address.
// shared is false for loopback and private addresses, which have no limit.
func hostOf(ip netip.Addr) (host netip.Prefix, shared bool) {
	return netaddr.Host(ip), !netaddr.Private(ip)
}

// queue is a heap of entries by due time, the earliest first.
type queue []*entry

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *queue) Push(x any) { *q = append(*q, x.(*entry)) }

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return e
}

// dueBefore counts the due entries in the subtree of i, up to a limit. It reads at most
// about twice as many entries.
func (q queue) dueBefore(i int, now time.Time, limit int) int {
	if i >= len(q) || limit <= 0 || q[i].due.After(now) {
		return 0
	}
	n := 1
	n += q.dueBefore(2*i+1, now, limit-n)
	n += q.dueBefore(2*i+2, now, limit-n)
	return n
}
