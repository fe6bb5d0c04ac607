package torture

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// headStart is how much later the attacks on handshakes begin, see [About].
const headStart = 2 * time.Second

// phase is what some attacks at once did to one node.
type phase struct {
	during, after Pace
	lost          int
	memory        Memory
	missed        uint64
	counts        []*counts // by attack
}

// phase runs attacks against a node: for the time of the attack, until the node has ended the
// connections, and, for the target, until its memory is back.
func (r *runner) phase(attacks []Attack, on *side) (*phase, error) {
	if err := on.still(r.ctx); err != nil {
		return nil, err
	}
	var names []string
	patience := time.Duration(0)
	for _, a := range attacks {
		names, patience = append(names, a.About().Name), max(patience, a.About().Ends)
	}
	r.Logger.Info("attacking", "attacks", names, "node", on.tcp, "other", on == r.beside, "duration", r.Duration)
	p := &phase{}
	g := gaugeOf(on.process)
	p.memory = Memory{Known: g.known, Before: g.now()}
	lost := r.crowd.lost.Load()
	on.forget()
	r.window(0)

	acting, stop := context.WithTimeout(r.ctx, r.Duration)
	defer stop()
	held, release := context.WithCancel(r.ctx)
	defer release()
	var work sync.WaitGroup
	begin := time.Now()
	for _, a := range attacks {
		c := &counts{}
		p.counts = append(p.counts, c)
		for i := range r.Attackers {
			attacker := &Attacker{
				node: on.owner, ledger: on.ledger, counts: c, from: rotated(r.From, i), pace: pace{rate: r.rate(a.About())},
				acting: acting, held: held, room: make(chan struct{}, maxOpen), work: &work,
			}
			work.Go(func() {
				if a.About().Late && len(attacks) > 1 {
					sleep(acting, headStart)
				}
				a.Attack(attacker)
			})
		}
	}
	<-acting.Done()
	ended := time.Now()
	p.during = r.window(ended.Sub(begin))
	p.finish(r, on, &work, release, patience)
	p.memory.Peak = g.peak()
	g.stop()
	if on == r.target {
		p.settle(r, g, ended)
	}
	p.after, p.lost = r.window(time.Since(ended)), int(r.crowd.lost.Load()-lost)
	for _, c := range p.counts {
		c.finish()
	}
	p.missed = on.forget()
	return p, r.ctx.Err()
}

// finish waits until the node has ended what the attackers left open, or has had its time.
func (p *phase) finish(r *runner, on *side, work *sync.WaitGroup, release func(), patience time.Duration) {
	done := make(chan struct{})
	go func() {
		work.Wait()
		close(done)
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-r.ctx.Done():
	}
	release()
	<-done
	for deadline := time.Now().Add(reportTime); p.open() > 0 && time.Now().Before(deadline); {
		sleep(r.ctx, 20*time.Millisecond)
	}
}

// open returns how many connections the node has not reported as ended.
func (p *phase) open() (n int64) {
	for _, c := range p.counts {
		n += c.opened.Load() - c.closed.Load()
	}
	return n
}

// settle waits until the memory is back within the bound, for a limited time.
func (p *phase) settle(r *runner, g *gauge, since time.Time) {
	if !g.known {
		return
	}
	for p.memory.After = g.now(); r.Bounds.Left > 0 && p.memory.After-p.memory.Before > r.Bounds.Left && time.Since(since) < r.Settle; {
		if !sleep(r.ctx, 100*time.Millisecond) {
			return
		}
		p.memory.After = g.now()
	}
	p.memory.Back = time.Since(since)
}

// rotated returns the addresses so that each attacker begins with another one.
func rotated(list []netip.Addr, by int) []netip.Addr {
	if len(list) == 0 {
		return nil
	}
	by %= len(list)
	return slices.Concat(list[by:], list[:by])
}
