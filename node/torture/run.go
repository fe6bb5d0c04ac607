package torture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// gatherTimeout limits how long the honest links may take to come up. An address may connect
	// to a node once in 30 s.
	gatherTimeout = 2 * time.Minute
	// reportTime is how long the node may take to report the last ends after the attackers left.
	reportTime = 2 * time.Second
)

// runner runs the phases one after the other.
type runner struct {
	Config
	ctx    context.Context
	target *side
	beside *side // nil: none
	crowd  *crowd
	report *Report
}

// side is a node under attack.
type side struct {
	*owner
	*ledger
}

// Run attacks a node and measures what that costs its honest links. The error is ErrNotOwned if the
// node is not proved to be the user's own, before anything was sent to its address; any other error
// ends the run early, with a report of what was done. Exceeded bounds are no error, see
// [Report.Broken].
func Run(ctx context.Context, c Config) (*Report, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &runner{Config: c, ctx: ctx, report: &Report{Beside: c.Beside != nil}}
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel(nil)
	var err error
	if r.target, err = r.meet(c.Target, cancel, &work); err != nil {
		return nil, err
	}
	if c.Beside != nil {
		if r.beside, err = r.meet(*c.Beside, cancel, &work); err != nil {
			return nil, fmt.Errorf("the other node: %w", err)
		}
	}
	r.crowd = gather(ctx, r.target.owner, c.Honest, c.HonestFrom)
	defer r.crowd.work.Wait()
	defer cancel(nil)
	err = r.run()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return r.report, err
}

// meet proves that a node is the user's own, and begins to read its events. The run ends when the
// node closes the socket.
func (r *runner) meet(t Target, cancel context.CancelCauseFunc, work *sync.WaitGroup) (*side, error) {
	o, err := prove(r.ctx, t)
	if err != nil {
		return nil, err
	}
	if err := o.greet(r.ctx, r.From); err != nil {
		return nil, err
	}
	s := &side{o, newLedger()}
	began := make(chan struct{})
	failed := make(chan error, 1)
	work.Go(func() {
		err := s.watch(r.ctx, t.IPC, func() { close(began) })
		failed <- err
		if err != nil {
			cancel(err)
		}
	})
	select {
	case <-began:
		return s, nil
	case err := <-failed:
		return nil, errors.Join(err, context.Cause(r.ctx))
	}
}

// run measures the honest links without an attack, and then each attack.
func (r *runner) run() error {
	if err := r.gathered(); err != nil {
		return err
	}
	r.Logger.Info("measuring without an attack", "links", r.Honest, "duration", r.Duration)
	r.window(0)
	begin := time.Now()
	if !sleep(r.ctx, r.Duration) {
		return r.ctx.Err()
	}
	r.report.Quiet = r.window(time.Since(begin))
	groups := [][]Attack{r.Attacks}
	if !r.Together {
		groups = nil
		for _, a := range r.Attacks {
			groups = append(groups, []Attack{a})
		}
	}
	for _, group := range groups {
		if err := r.attack(group); err != nil {
			return err
		}
	}
	return nil
}

// gathered waits until all honest links are up.
func (r *runner) gathered() error {
	deadline := time.Now().Add(gatherTimeout)
	for r.crowd.complete() < r.Honest {
		if time.Now().After(deadline) {
			err := fmt.Errorf("only %d of %d honest links came up in %v", r.crowd.complete(), r.Honest, gatherTimeout)
			if why := r.crowd.refuse.Load(); why != nil {
				err = fmt.Errorf("%w; the last error: %w", err, *why)
			}
			return err
		}
		if !sleep(r.ctx, 20*time.Millisecond) {
			return r.ctx.Err()
		}
	}
	return nil
}

// window ends a window of the honest links that began length ago.
func (r *runner) window(length time.Duration) Pace {
	return paceOf(r.crowd.meters, time.Now(), length)
}

// attack runs attacks at the same time, first against the other node if there is one.
func (r *runner) attack(attacks []Attack) error {
	var can []Attack
	var results []Result
	for _, a := range attacks {
		about := a.About()
		why := r.target.missing(about.Needs)
		if why == "" && r.beside != nil {
			why = r.beside.missing(about.Needs)
		}
		if why != "" {
			results = append(results, Result{Attack: about.Name, NotRun: why})
			continue
		}
		can = append(can, a)
	}
	r.report.Results = append(r.report.Results, results...)
	if len(can) == 0 {
		return nil
	}
	baseline := r.report.Quiet
	if r.beside != nil {
		if err := r.gathered(); err != nil {
			return err
		}
		p, err := r.phase(can, r.beside)
		if err != nil {
			return err
		}
		baseline = p.during
	}
	if err := r.gathered(); err != nil {
		return err
	}
	p, err := r.phase(can, r.target)
	if err != nil {
		return err
	}
	for i, a := range can {
		about := a.About()
		res := Result{Attack: about.Name, Baseline: baseline, During: p.during, After: p.after, HonestLost: p.lost, Memory: p.memory, Missed: p.missed}
		p.counts[i].fill(&res, about.Words)
		res.Broken = r.Bounds.broken(&res)
		r.report.Results = append(r.report.Results, res)
	}
	return nil
}
