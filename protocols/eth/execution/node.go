package execution

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

// Node is an execution node that is asked over JSON-RPC. Its methods may be called from any
// goroutine.
type Node struct {
	cfg       Config
	dial      func(context.Context) (*rpc.Client, error)
	closeIdle func()
	redact    redactor
	log       *slog.Logger
	running   atomic.Bool
	wake      chan struct{} // accounts are wanted

	mu         sync.Mutex
	branch     branch
	monitor    monitor
	state      State
	accounts   cache
	answered   chan struct{} // closed when accounts have been answered for, and replaced
	noAccounts bool
}

// Head is what is known of the head.
type Head struct {
	// Headers are the last headers of the node's chain, each the parent of the next. None: the head is not known.
	Headers []verify.Header
	// Stale says that the node does not answer, or has had no new block for long.
	Stale bool
}

// State is what can be said of a node at one time. Counters only grow.
type State struct {
	URL    string      `json:"url"` // without credentials
	Health Health      `json:"health"`
	Reason string      `json:"reason,omitempty"` // why the last call failed; empty: it did not
	Number uint64      `json:"number"`           // of the head
	Head   common.Hash `json:"head"`             // zero: not known

	Calls           uint64 `json:"calls"`        // answers with a head
	Failures        uint64 `json:"failures"`     // connections that failed or ended
	AccountCalls    uint64 `json:"accountCalls"` // batches of accounts that were asked for
	AccountFailures uint64 `json:"accountFailures"`
	AccountFailure  string `json:"accountFailure,omitempty"` // the last of them
}

// New returns a Node that has not been asked. The error does not contain the URL.
func New(cfg Config) (*Node, error) {
	n := &Node{
		cfg: cfg, dial: cfg.Dial, closeIdle: func() {}, log: cfg.Log,
		wake: make(chan struct{}, 1), answered: make(chan struct{}), accounts: newCache(),
		monitor: monitor{health: Connecting}, state: State{URL: "in this process"},
	}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	if n.dial == nil {
		if err := CheckURL(cfg.URL); err != nil {
			return nil, err
		}
		n.redact, n.state.URL = newRedactor(cfg.URL), Redact(cfg.URL)
		n.dial, n.closeIdle = dialer(cfg.URL)
	}
	return n, nil
}

// Head returns what is known of the head. The caller must not change it.
func (n *Node) Head() Head {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.head()
}

func (n *Node) head() Head {
	switch n.monitor.health {
	case OtherChain, WithoutHead:
		return Head{}
	}
	return Head{n.branch, n.monitor.health != Working}
}

// State returns a snapshot.
func (n *Node) State() State {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.state
	s.Health = n.monitor.health
	if err := n.monitor.failure; err != nil {
		s.Reason = n.redact.text(err)
	}
	if h := branch(n.head().Headers).last(); h != nil {
		s.Number, s.Head = h.Number, h.Hash
	}
	return s
}

// Run asks the node until the context ends. A second call returns at once.
func (n *Node) Run(ctx context.Context) {
	if !n.running.CompareAndSwap(false, true) {
		return
	}
	defer n.running.Store(false)
	defer n.closeIdle()
	defer n.change(func() { n.monitor.health = Connecting })
	for ctx.Err() == nil {
		if err := n.connection(ctx); ctx.Err() == nil {
			n.log.Debug("execution node's connection failed", "err", n.redact.text(err))
			wait(ctx, n.failed(err))
		}
	}
}

// connection asks the node by one connection, until a call fails.
func (n *Node) connection(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	dialing, stop := context.WithTimeout(ctx, timeout)
	c, err := n.dial(dialing)
	stop()
	if err != nil {
		cancel()
		return err
	}
	var all sync.WaitGroup
	defer all.Wait()
	defer c.Close()
	defer cancel()
	every, told, lost := pollEvery, make(chan struct{}, 1), make(chan error, 1)
	for first := true; ; first = false {
		if err := n.poll(ctx, c); err != nil {
			return err
		}
		if first {
			all.Go(func() { n.lookUp(ctx, c) })
			if n.subscribe(ctx, c, &all, told, lost) {
				every = slot
			}
		}
		t := time.NewTimer(every)
		select {
		case <-t.C:
		case <-told:
		case err := <-lost:
			t.Stop()
			return err
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
		t.Stop()
	}
}

// errUnsubscribed says that the node tells of no more heads. Most often the connection is lost.
var errUnsubscribed = errors.New("the subscription to new heads has ended")

// subscribe has the node tell of new heads, if it can. A notice is no more than that: the head is
// asked for, so all that counts comes with the chain's ID.
func (n *Node) subscribe(ctx context.Context, c *rpc.Client, all *sync.WaitGroup, told chan<- struct{}, lost chan<- error) bool {
	if !c.SupportsSubscriptions() {
		return false
	}
	subscribing, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	notices := make(chan json.RawMessage, 16)
	sub, err := c.EthSubscribe(subscribing, notices, "newHeads")
	if err != nil {
		n.log.Debug("execution node tells of no new heads and is polled", "err", n.redact.text(err))
		return false
	}
	all.Go(func() {
		for {
			select {
			case <-notices:
				select {
				case told <- struct{}{}:
				default:
				}
			case err := <-sub.Err():
				lost <- errors.Join(errUnsubscribed, err)
				return
			case <-ctx.Done():
				return
			}
		}
	})
	return true
}

// poll asks for the head, and for the headers before it that are needed.
func (n *Node) poll(ctx context.Context, c *rpc.Client) error {
	latest, err := n.latest(ctx, c)
	if err != nil {
		return err
	}
	n.mu.Lock()
	first, count := n.branch.missing(latest)
	n.mu.Unlock()
	var earlier []verify.Header
	if count > 0 {
		if earlier, err = before(ctx, c, first, count); err != nil {
			return fmt.Errorf("blocks from %d on: %w", first, err)
		}
	}
	n.change(func() {
		n.state.Calls++
		n.branch = n.branch.with(*latest, earlier)
		n.monitor.answer(time.Now(), latest)
	})
	return nil
}

// failed notes that a connection failed, and returns how long to wait for the next one.
func (n *Node) failed(err error) (pause time.Duration) {
	n.change(func() {
		n.state.Failures++
		pause = n.monitor.fail(time.Now(), err)
		if n.monitor.health == OtherChain {
			n.branch = nil
		}
	})
	return pause
}

// change changes what is known by f, and tells what follows. Accounts can be asked for while the
// last call was answered.
func (n *Node) change(f func()) {
	n.mu.Lock()
	health, head := n.monitor.health, n.head()
	f()
	now := n.head()
	changed := head.Stale != now.Stale || len(head.Headers) != len(now.Headers) ||
		len(now.Headers) > 0 && branch(head.Headers).last().Hash != branch(now.Headers).last().Hash
	asks := branch(now.Headers)
	if now.Stale {
		asks = nil
	}
	n.accounts.setHead(asks)
	if n.monitor.failure != nil {
		n.accounts.drop()
	}
	n.wakeWaiting()
	is := n.monitor.health
	n.mu.Unlock()
	if is != health {
		n.logHealth(is)
	}
	if changed && n.cfg.HeadChanged != nil {
		n.cfg.HeadChanged()
	}
}

// wakeWaiting has the goroutines that wait for accounts look at what is known.
func (n *Node) wakeWaiting() {
	close(n.answered)
	n.answered = make(chan struct{})
}

func (n *Node) logHealth(is Health) {
	s := n.State()
	switch is {
	case Working:
		n.log.Info("execution node gives the head", "url", s.URL, "number", s.Number, "hash", s.Head)
	case WithoutHead:
		n.log.Info("execution node has no block yet", "url", s.URL)
	case Stalled:
		n.log.Warn("execution node has no new block", "url", s.URL, "number", s.Number, "for", standstill)
	case OtherChain:
		n.log.Error("execution node is of another chain and is not used", "url", s.URL, "err", s.Reason)
	case Unavailable:
		n.log.Warn("execution node does not answer", "url", s.URL, "err", s.Reason)
	}
}
