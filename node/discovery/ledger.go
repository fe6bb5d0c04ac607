package discovery

import (
	"slices"

	"github.com/asynkron/protoactor-go/actor"
)

// ledger keeps account of who has asked for how many candidates. It outlives the actor's
// incarnations, so that nobody waits in vain.
type ledger struct {
	accounts []*account
	turn     int
}

type account struct {
	to   *actor.PID
	owed int
}

// ask adds to what is owed to somebody, or withdraws it with n of zero or less. It says
// whether the account was opened for this.
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

// pay says who gets the next candidate, nil if nobody wants one: all have their turn.
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

// owed is what all together want.
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
