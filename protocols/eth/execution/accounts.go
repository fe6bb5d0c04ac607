package execution

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"
)

// Account implements pool.State. It answers from memory: an account that is not known at the head is
// asked for, and AccountsChanged tells when it is known. ok is false if it is not known at any of
// the last blocks, and while the node does not answer.
func (n *Node) Account(addr common.Address) (nonce uint64, balance uint256.Int, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a, ok := n.accounts.get(addr)
	n.askAccounts()
	return a.nonce, a.balance, ok
}

// Prepare has accounts asked for that are not known at the head, and waits until they are, or cannot
// be, or the context ends. It must not be called in an actor. It is called before a call of Account that
// is to find them. While the node answers for no accounts, Prepare does not wait.
func (n *Node) Prepare(ctx context.Context, addrs ...common.Address) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, addr := range addrs {
		n.accounts.get(addr)
	}
	n.askAccounts()
	for !n.noAccounts && n.accounts.waiting(addrs) {
		answered := n.answered
		n.mu.Unlock()
		select {
		case <-answered:
		case <-ctx.Done():
		}
		n.mu.Lock()
		if ctx.Err() != nil {
			return
		}
	}
}

// askAccounts wakes the goroutine that asks for accounts, if there is something to ask.
func (n *Node) askAccounts() {
	if len(n.accounts.wanted) > 0 {
		select {
		case n.wake <- struct{}{}:
		default:
		}
	}
}

// lookUp asks for the accounts that are wanted, until the context ends.
func (n *Node) lookUp(ctx context.Context, c *rpc.Client) {
	for {
		n.mu.Lock()
		asked, block := n.accounts.next(accountsPerCall), n.accounts.head
		n.mu.Unlock()
		if len(asked) == 0 {
			select {
			case <-n.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		found, err := accountsAt(ctx, c, block, asked)
		n.found(ctx, asked, found, err)
		if len(found) == 0 { // more of the same would not help
			wait(ctx, firstPause)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// found takes an answer for accounts.
func (n *Node) found(ctx context.Context, asked []common.Address, found map[common.Address]account, err error) {
	n.mu.Lock()
	n.accounts.done(asked, found)
	n.state.AccountCalls++
	failed := err != nil && ctx.Err() == nil
	if failed {
		n.state.AccountFailures++
		n.state.AccountFailure = n.redact.text(err)
	}
	told := n.noAccounts
	if n.noAccounts = failed && len(found) == 0; n.noAccounts != told && ctx.Err() == nil {
		if n.noAccounts {
			n.log.Warn("execution node does not answer for accounts", "err", n.state.AccountFailure)
		} else {
			n.log.Info("execution node answers for accounts")
		}
	}
	n.wakeWaiting()
	n.mu.Unlock()
	if len(found) > 0 && n.cfg.AccountsChanged != nil {
		known := make([]common.Address, 0, len(found))
		for addr := range found {
			known = append(known, addr)
		}
		n.cfg.AccountsChanged(known)
	}
}

// wait waits for a time, or until the context ends.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
