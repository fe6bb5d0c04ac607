package discovery

import (
	"slices"

	"github.com/asynkron/protoactor-go/actor"
)

// ledger records how many candidates each requester still expects. It survives restarts of the
// actor, so that no request is lost.
type ledger struct {
	accounts []*account
	turn     int
}

type account struct {
	to   *actor.PID
	owed int
}

// ask adds n to the requester's balance. With n of zero or less it clears the balance. opened is
// true if this call created the account.
func (l *ledger) ask(to *actor.PID, n int) (opened bool) {
	if n <= 0 {
		l.forget(to)
		return false
	}
	a := l.find(to)
	if a == nil {
		a, opened = &account{to: to}, true
		l.accounts = append(l.accounts, a)
	}
	a.owed = min(MaxCredit, a.owed+min(n, MaxCredit))
	return opened
}

func (l *ledger) forget(to *actor.PID) {
	l.accounts = slices.DeleteFunc(l.accounts, func(a *account) bool { return a.to.Equal(to) })
}

// pay returns the receiver of the next candidate, nil if none is expected. The receivers take
// turns.
func (l *ledger) pay() *actor.PID {
	if len(l.accounts) == 0 {
		return nil
	}
	l.turn = (l.turn + 1) % len(l.accounts)
	a := l.accounts[l.turn]
	if a.owed--; a.owed == 0 {
		l.forget(a.to)
	}
	return a.to
}

// owed returns the number of candidates that all requesters together still expect.
func (l *ledger) owed() (sum int) {
	for _, a := range l.accounts {
		sum += a.owed
	}
	return sum
}

func (l *ledger) find(to *actor.PID) *account {
	for _, a := range l.accounts {
		if a.to.Equal(to) {
			return a
		}
	}
	return nil
}
