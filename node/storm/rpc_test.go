package storm_test

import (
	"context"
	"errors"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/troupe-p2p/troupe/node"
)

// rpcs are the calls of an operator, by JSON-RPC.
func (c *calls) rpcs() []call {
	remote := func(method string) call {
		return call{method, func() error { return c.rpc(method, c.remote().URL()) }, []error{errNoClient}}
	}
	read := func(method string) call {
		return call{method, func() error { return c.rpc(method) }, []error{errNoClient, node.ErrNoNAT}}
	}
	return []call{
		read("admin_nodeInfo"), read("admin_peers"), read("admin_datadir"), read("admin_bans"), read("admin_protocols"), read("admin_nat"),
		remote("admin_addPeer"), remote("admin_removePeer"), remote("admin_addTrustedPeer"), remote("admin_removeTrustedPeer"),
		{"admin_ban", func() error { return c.rpc("admin_ban", c.target().String(), c.short().String(), "storm") }, []error{errNoClient, node.ErrProtected}},
		{"admin_unban", func() error { return c.rpc("admin_unban", c.target().String()) }, []error{errNoClient}},
		{"admin_addProtocol", func() error { return c.rpc("admin_addProtocol", c.name()) },
			[]error{errNoClient, node.ErrProtocolRuns, node.ErrProtocolEnding, node.ErrUnknownProtocol}},
		{"admin_removeProtocol", func() error { return c.rpc("admin_removeProtocol", c.name()) }, []error{errNoClient, node.ErrNoProtocol}},
		{"admin_peerEvents", c.peerEvents, []error{errNoClient}},
	}
}

// errNoClient is the error of a call whose connection the end of the node has closed.
var errNoClient = errors.New("the connection of the client has ended")

// attached calls f with a client of the node.
func (c *calls) attached(f func(context.Context, *rpc.Client) error) error {
	client, err := c.n.Attach()
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), callLimit)
	defer cancel()
	err = f(ctx, client)
	var answered rpc.Error
	if err != nil && !errors.As(err, &answered) && (isDone(c.n) || ctx.Err() == nil) {
		return errors.Join(errNoClient, err)
	}
	return err
}

// isDone reports whether the node has stopped.
func isDone(n *node.Node) bool {
	select {
	case <-n.Done():
		return true
	default:
		return false
	}
}

func (c *calls) rpc(method string, args ...any) error {
	return c.attached(func(ctx context.Context, client *rpc.Client) error {
		return client.CallContext(ctx, nil, method, args...)
	})
}

// peerEvents subscribes to the events of peers for a moment.
func (c *calls) peerEvents() error {
	return c.attached(func(ctx context.Context, client *rpc.Client) error {
		events := make(chan any, 16)
		sub, err := client.Subscribe(ctx, "admin", events, "peerEvents")
		if err != nil {
			return err
		}
		defer sub.Unsubscribe()
		moment := time.NewTimer(20 * time.Millisecond)
		defer moment.Stop()
		for {
			select {
			case <-events:
			case <-sub.Err():
				return nil
			case <-moment.C:
				return nil
			}
		}
	})
}
