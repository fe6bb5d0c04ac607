package crawl

import (
	"container/heap"
	"net/netip"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// A node that has no room for peers says so in place of its Hello, as a rule. It is asked
// again after busyAgain, up to busyTries times.
const (
	busyAgain = 10 * time.Minute
	busyTries = 6
)

// limits bound a crawl.
type limits struct {
	parallel  int           // visits at once
	perSecond int           // visits that begin within any second
	again     time.Duration // between two visits to a node
	nodes     int           // known at all; more are not taken
	perHost   int           // of them, with the same public IPv4 address or IPv6 /64
}

// plan decides whom to visit and when. What is in it is bounded, whatever others tell of
// nodes that don't exist; it outlives a crash of the walker.
type plan struct {
	limits
	known    map[enode.ID]*entry
	hosts    map[netip.Prefix]int // how many of the known are there
	queue    queue                // those that are not being visited, by time
	underWay map[enode.ID]*entry
	begun    []time.Time // the last perSecond visits, oldest first

	news    time.Time // when something new came last
	visited int       // visits that ended
	alive   int       // those with an answer
	left    int       // nodes that were not taken, for want of room
}

// entry is a node that is known.
type entry struct {
	node  *enode.Node
	due   time.Time // when to visit it
	alive bool      // it answered the last visit
	seen  bool      // it was visited before
	busy  int       // visits that it had no room for
}

func newPlan(l limits) *plan {
	return &plan{limits: l, known: map[enode.ID]*entry{}, hosts: map[netip.Prefix]int{}, underWay: map[enode.ID]*entry{}}
}

// learn takes a node in, and says whether it, or something in its record, is new. last is
// when it was visited by an earlier crawl; zero: never.
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

// shelve takes in a node that is not to be visited, and says likewise whether it is new.
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

// admit says whether there is room for one more node, and counts it.
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

// update takes a newer record of a known node, or, of one without a record that didn't
// answer, another address. It is counted where it was seen first, and visited when it is
// due: who changes his record all the time gets no more visits for it.
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

// next gives a node that is to be visited now, or how long to wait before asking again;
// negative: until something happens.
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

// done ends a visit; alive says that the node answered, busy that it did so without
// telling what it is.
func (p *plan) done(id enode.ID, alive, busy bool, now time.Time) {
	e := p.underWay[id]
	if e == nil {
		return // of an incarnation before
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

// restore puts the visits that a crash has cut off back into the queue.
func (p *plan) restore(now time.Time) {
	for id, e := range p.underWay {
		delete(p.underWay, id)
		e.due = now
		heap.Push(&p.queue, e)
	}
}

// backlog is how many visits are due by now, counted up to a limit.
func (p *plan) backlog(now time.Time, limit int) int {
	return p.queue.dueBefore(0, now, limit)
}

// quietFor is for how long nothing new has come, with nobody left to visit.
func (p *plan) quietFor(now time.Time) time.Duration {
	if len(p.underWay) > 0 || p.backlog(now, 1) > 0 {
		return 0
	}
	return now.Sub(p.news)
}

// hostOf returns the host of an address. shared is false for addresses that do not identify a host:
// their number of nodes has no limit.
func hostOf(ip netip.Addr) (host netip.Prefix, shared bool) {
	return netaddr.Host(ip), !netaddr.Private(ip)
}

// queue is a heap of entries, the one that is due first on top.
type queue []*entry

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }

// Push and Pop are for package heap.
func (q *queue) Push(x any) { *q = append(*q, x.(*entry)) }

func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return e
}

// dueBefore counts the entries below i that are due, up to a limit. It looks at no more
// than twice as many.
func (q queue) dueBefore(i int, now time.Time, limit int) int {
	if i >= len(q) || limit <= 0 || q[i].due.After(now) {
		return 0
	}
	n := 1
	n += q.dueBefore(2*i+1, now, limit-n)
	n += q.dueBefore(2*i+2, now, limit-n)
	return n
}
