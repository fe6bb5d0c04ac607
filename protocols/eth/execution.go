package eth

import (
	"context"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth/execution"
	"github.com/troupe-p2p/troupe/protocols/eth/pool"
)

// executionNode is the name of the execution node as a source of the head.
const executionNode = "execution node"

// nodeHead says that what the execution node says of the head has changed.
type nodeHead struct{}

// accountsKnown says that the execution node has answered for senders, and that the pool may have
// transactions that can go on now.
type accountsKnown struct{}

// accountsWithin is how long transactions wait for the accounts of their senders. If there is no answer
// by then, the senders are not known, and are once it comes.
const accountsWithin = time.Second

// openExecution makes the execution node of the Config, if there is one. It is not asked yet.
func (e *Eth) openExecution() (err error) {
	if e.cfg.RPC == "" && e.cfg.DialRPC == nil {
		return nil
	}
	tell := func(msg any) {
		if to := e.tellService.Load(); to != nil {
			(*to)(msg)
		}
	}
	e.node, err = execution.New(execution.Config{
		URL: e.cfg.RPC, Dial: e.cfg.DialRPC, ChainID: e.network.Config.ChainID.Uint64(), Genesis: e.network.Genesis.Hash(), Log: e.log,
		HeadChanged: func() { tell(nodeHead{}) },
		AccountsChanged: func(senders []common.Address) {
			e.mempool.pool.Recheck(senders...)
			tell(accountsKnown{})
		},
	})
	if err != nil {
		return fmt.Errorf("execution node: %w", err)
	}
	return nil
}

// askNode has the execution node asked as long as the protocol runs. After a crash of the service it
// goes on, and what is known is told again.
func (s *service) askNode(ctx actor.Context) {
	node := s.eth.node
	if node == nil {
		return
	}
	root, self := ctx.ActorSystem().Root, ctx.Self()
	tell := func(msg any) { root.Send(self, msg) }
	s.eth.tellService.Store(&tell)
	tell(nodeHead{})
	protocols.Go(ctx, func() { node.Run(s.eth.ctx) })
}

// setNodeHead takes what the execution node says of the head.
func (f *follower) setNodeHead() {
	switch h := f.eth.node.Head(); {
	case h.Stale:
		f.votes.SetStale(executionNode, h.Headers)
	default:
		f.votes.Set(executionNode, h.Headers)
	}
	f.changed = true
	f.follow()
}

// prepareAccounts has the execution node asked for the senders of transactions that are added to the pool next.
// It waits and must not run in an actor.
func (e *Eth) prepareAccounts(ctx context.Context, checked []pool.Checked) {
	if !e.mempool.asksNode {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, accountsWithin)
	defer cancel()
	var senders []common.Address
	for _, c := range checked {
		if c.Err == nil {
			senders = append(senders, c.Sender)
		}
	}
	e.node.Prepare(ctx, senders...)
}

// rpcValue is a flag with the URL of an execution node.
type rpcValue struct{ to *string }

// IsPathFlag implements protocols.PathFlag: the path of a socket is expanded, a URL is not.
func (rpcValue) IsPathFlag() bool { return true }

// IsSecretFlag implements protocols.SecretFlag.
func (rpcValue) IsSecretFlag() bool { return true }

// String implements flag.Value. Package flag calls it on the zero value, too.
func (v *rpcValue) String() string {
	if v.to == nil || *v.to == "" {
		return ""
	}
	return execution.Redact(*v.to)
}

// Set implements flag.Value.
func (v *rpcValue) Set(s string) error {
	if s != "" {
		if err := execution.CheckURL(s); err != nil {
			return err
		}
	}
	*v.to = s
	return nil
}
