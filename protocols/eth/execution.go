package eth

import (
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth/execution"
)

// executionNode is the name of the execution node as a source of the head.
const executionNode = "execution node"

// nodeHead says that what the execution node says of the head has changed.
type nodeHead struct{}

// openExecution makes the execution node of the Config, if there is one. It is not asked yet.
func (e *Eth) openExecution() (err error) {
	if e.cfg.RPC == "" {
		return nil
	}
	e.node, err = execution.New(execution.Config{
		URL: e.cfg.RPC, ChainID: e.network.Config.ChainID.Uint64(), Genesis: e.network.Genesis.Hash(), Log: e.log,
		HeadChanged: func() {
			if tell := e.nodeChanged.Load(); tell != nil {
				(*tell)()
			}
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
	changed := func() { root.Send(self, nodeHead{}) }
	s.eth.nodeChanged.Store(&changed)
	changed()
	protocols.Go(ctx, func() { node.Run(s.eth.ctx) })
}

// nodeHead takes what the execution node says of the head.
func (a *asking) nodeHead() {
	switch h := a.eth.node.Head(); {
	case h.Stale:
		a.votes.SetStale(executionNode, h.Headers)
	default:
		a.votes.Set(executionNode, h.Headers)
	}
	a.changed = true
	a.follow()
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
