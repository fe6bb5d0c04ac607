package bans

import (
	"errors"
	"maps"
	"net/netip"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/refusal"
)

// ErrProtected is the error of a ban on a static or trusted node.
var ErrProtected = errors.New("static and trusted nodes can't be banned")

// Ledger records the offences of remotes, and the bans. Its methods are safe from any
// goroutine.
type Ledger struct {
	clock supervise.Clock

	mu         sync.Mutex
	reputation reputation
	bans       list
	lifted     map[Target]int // bans that the file may have still, with the value of changes that has them lifted
	changes    int            // counts the changes of the list
	tried      int            // the value of changes at the last attempt to write the file
	saved      int            // the value of changes when the file was last written
	waiting    []waiting
	closed     bool
	state      State

	store store
}

// waiting is a caller that waits until the file has a change.
type waiting struct {
	change int
	kept   chan error // has room for the answer
}

// State is the number of bans, and the ledger's counters since the node was made. The counters
// only grow.
type State struct {
	Bans      int    // in force now
	Offences  uint64 // reported
	Banned    uint64 // bans made by the node itself
	Ordered   uint64 // bans made by the operator
	Lifted    uint64 // bans that were lifted before their end
	Writes    uint64 // writes of the file
	WriteErrs uint64 // writes of the file that failed
}

// NewLedger makes an empty ledger.
func NewLedger(clock supervise.Clock) *Ledger { return &Ledger{clock: clock, lifted: map[Target]int{}} }

// State returns the counters.
func (l *Ledger) State() State {
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state
	s.Bans = len(l.bans.sorted(now))
	return s
}

// Offend records an offence of a node and of its host. Either may be unknown. It returns the
// bans that the offence led to.
func (l *Ledger) Offend(id enode.ID, addr netip.Addr, o Offence) []Ban {
	if o == Harmless {
		return nil
	}
	var targets []Target
	if id != (enode.ID{}) {
		targets = append(targets, ByID(id))
	}
	if !netaddr.Private(addr) {
		targets = append(targets, Target{Net: netaddr.Host(addr)})
	}
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.Offences++
	var made []Ban
	for _, t := range targets {
		d := l.reputation.record(t, o, now)
		if d == 0 {
			continue
		}
		b := Ban{Target: t, Since: now, Until: now.Add(d), Reason: "repeated offences, the last: " + o.String(), Automatic: true}
		if l.bans.add(b, now) {
			l.changes++
			l.state.Banned++
			made = append(made, b)
		}
	}
	return made
}

// Ban bans a target for a time, in place of an earlier ban on the same target. It returns
// the new ban. kept receives once, nil as soon as the ban will outlive the process, otherwise
// why not. Writing begins with Save, or with *[Changed] to the actor.
func (l *Ledger) Ban(t Target, d time.Duration, reason string) (b Ban, kept <-chan error) {
	now := l.clock.Now()
	b = Ban{Target: t.Canonical(), Since: now, Until: now.Add(d), Reason: reason}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bans.add(b, now)
	l.changes++
	l.state.Ordered++
	return b, l.wait()
}

// Lift ends a ban and forgets the target's offences. lifted is false if no ban on exactly
// this target was in force. kept is as that of Ban, and nil at once if the file has no ban on the
// target.
func (l *Ledger) Lift(t Target) (lifted bool, kept <-chan error) {
	now := l.clock.Now()
	t = t.Canonical()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reputation.forget(t)
	b, ok := l.bans.bans[t]
	if ok {
		l.bans.lift(t)
		l.changes++
	}
	if lifted = ok && b.inForce(now); lifted {
		l.state.Lifted++
		if l.store.file != nil {
			l.lifted[t] = l.changes
		}
	}
	if _, ok := l.lifted[t]; !ok && !lifted {
		return false, resolved(nil) // the file has no such ban either
	}
	return lifted, l.wait()
}

// resolved returns a channel that has its answer.
func resolved(err error) <-chan error {
	kept := make(chan error, 1)
	kept <- err
	return kept
}

// wait returns a channel that receives once the file has all changes so far, or can't have them.
func (l *Ledger) wait() <-chan error {
	switch {
	case l.store.file == nil || l.saved == l.changes:
		return resolved(nil)
	case l.closed:
		return resolved(errClosed)
	}
	kept := make(chan error, 1)
	l.waiting = append(l.waiting, waiting{l.changes, kept})
	return kept
}

// answer answers those that wait for a change up to this one.
func (l *Ledger) answer(changes int, err error) {
	for len(l.waiting) > 0 && l.waiting[0].change <= changes {
		l.waiting[0].kept <- err
		l.waiting = l.waiting[1:]
	}
}

// Check returns a [refusal.Banned] for a node or an address that is banned. Either may be
// zero.
func (l *Ledger) Check(id enode.ID, addr netip.Addr) error {
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if b, ok := l.bans.banned(id, addr, now); ok {
		return &refusal.Banned{Reason: b.Reason}
	}
	return nil
}

// List returns the bans in force. The ban that ends first comes first.
func (l *Ledger) List() []Ban {
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inWallTime(l.bans.sorted(now))
}

// inWallTime gives the bans the times that the wall clock shows then. The ledger's own are on the
// steady clock, so that setting the wall clock ends no ban.
func (l *Ledger) inWallTime(list []Ban) []Ban {
	for i := range list {
		b := &list[i]
		b.Since = supervise.WallTime(l.clock, b.Since)
		if !b.Until.IsZero() {
			b.Until = supervise.WallTime(l.clock, b.Until)
		}
	}
	return list
}

// change has the bans written again. After a jump of the wall clock the file has wrong ends.
func (l *Ledger) change() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes++
}

// unsaved returns the bans in force and the current count of changes. due is false if the
// file has these bans already, or must not be written.
func (l *Ledger) unsaved(again bool) (list []Ban, changes int, due bool) {
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.changes == l.saved || l.changes == l.tried && !again && len(l.waiting) == 0 {
		return nil, l.saved, false
	}
	l.tried = l.changes
	l.bans.prune(now)
	return l.inWallTime(l.bans.sorted(now)), l.changes, true
}

// wrote records whether writing the bans that unsaved returned succeeded.
func (l *Ledger) wrote(changes int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.Writes++
	if err != nil {
		l.state.WriteErrs++
	} else {
		l.saved = changes
		maps.DeleteFunc(l.lifted, func(_ Target, change int) bool { return change <= changes })
	}
	l.answer(changes, err)
}

func (l *Ledger) isSaved() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.saved == l.changes
}

// restore adds the bans of an earlier run that are still in force by the wall clock. None lasts
// longer than when it was made, also if the wall clock was set back.
func (l *Ledger) restore(list []Ban) {
	now := l.clock.Now()
	wall := supervise.WallTime(l.clock, now)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range list {
		if b.Since.IsZero() {
			b.Since = wall // the operator wrote none
		}
		if b.Until.IsZero() {
			b.Since = now.Add(b.Since.Sub(wall))
			l.bans.add(b, now)
			continue
		}
		length := b.Until.Sub(b.Since)
		if left := min(b.Until.Sub(wall), length); left > 0 {
			b.Until = now.Add(left)
			b.Since = b.Until.Add(-length)
			l.bans.add(b, now)
		}
	}
}
