package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/urfave/cli/v3"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

// getTimeout limits how long a peer may take for all that a command asks it.
const getTimeout = time.Minute

// ethGetCommand returns the commands that ask one peer.
func ethGetCommand(c *catalog) *cli.Command {
	get := func(name, usage string, ask func(context.Context, eth.Query, string) (any, error)) *cli.Command {
		return &cli.Command{
			Name: name, Usage: usage, ArgsUsage: "ID",
			Flags:  []cli.Flag{&cli.StringFlag{Name: flagPeer, Usage: "`ENODE` of the peer to ask"}},
			Action: func(ctx context.Context, cmd *cli.Command) error { return c.ethGet(ctx, cmd, ask) },
		}
	}
	return &cli.Command{
		Name: "get", Usage: "ask one peer for a part of its chain, check the answer, and print JSON",
		Description: "ID is the number or the hash of a block, or the hash of a transaction. The peer must be on the chain of\n" +
			"--network or --eth.genesis. A body, receipts and an access list are checked against the header; which block\n" +
			"has a number is not checked.",
		Commands: []*cli.Command{
			get("header", "ask for a header", func(ctx context.Context, q eth.Query, id string) (any, error) {
				h, err := headerOf(ctx, q, id)
				return h.Fields, err
			}),
			get("block", "ask for a header and its body", getBlock),
			get("receipts", "ask for the receipts of a block", func(ctx context.Context, q eth.Query, id string) (any, error) {
				h, err := headerOf(ctx, q, id)
				if err != nil {
					return nil, err
				}
				return q.Receipts(ctx, h)
			}),
			get("bal", "ask for the block access list of a block, RLP in hex", func(ctx context.Context, q eth.Query, id string) (any, error) {
				h, err := headerOf(ctx, q, id)
				if err != nil {
					return nil, err
				}
				list, err := q.AccessList(ctx, h)
				return hexutil.Bytes(list), err
			}),
			get("tx", "ask for a transaction in the peer's pool", func(ctx context.Context, q eth.Query, id string) (any, error) {
				hash, err := hashOf(id)
				if err != nil {
					return nil, usage(err)
				}
				return q.Transaction(ctx, hash)
			}),
		},
	}
}

// ethGet links to the peer, asks it, and prints what comes.
func (c *catalog) ethGet(ctx context.Context, cmd *cli.Command, ask func(context.Context, eth.Query, string) (any, error)) error {
	id, err := onlyArgs(cmd, 1)
	if err != nil {
		return err
	}
	target, err := oneNode(cmd.String(flagPeer))
	if err != nil {
		return usage(fmt.Errorf("--%s: %w", flagPeer, err))
	}
	if err := errors.Join(c.set(networkOf(cmd)), exclusive(cmd)); err != nil {
		return usage(err)
	}
	p := c.find("eth")
	if p.err != nil {
		return usage(p.err)
	}
	up := make(chan *protocols.Link, 1)
	spec := p.spec
	spec.Service, spec.New = nil, func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			if msg, ok := ctx.Message().(*protocols.LinkUp); ok && !msg.Restarted {
				up <- msg.Link.Shared()
			}
		})
	}
	ctx, cancel := context.WithTimeout(ctx, getTimeout)
	defer cancel()
	v, err := startVisit(ctx, cmd, target, spec)
	if err != nil {
		return err
	}
	defer v.stop()
	link, err := v.await(ctx, up)
	if err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	found, err := ask(ctx, eth.Query{Link: link}, id)
	if err != nil {
		if cause := link.Context().Err(); cause != nil {
			return fmt.Errorf("%w: %w", err, context.Cause(link.Context()))
		}
		return err
	}
	return printJSON(cmd.Root().Writer, found)
}

// await waits for the protocol's link, or for the end of the connection.
func (v *visit) await(ctx context.Context, up <-chan *protocols.Link) (*protocols.Link, error) {
	for {
		select {
		case link := <-up:
			return link, nil
		case e, ok := <-v.events:
			if err := ended(ctx, e, ok); err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// headerOf asks for a header by number or hash.
func headerOf(ctx context.Context, q eth.Query, id string) (h verify.Header, err error) {
	var origin serve.Origin
	if strings.HasPrefix(id, "0x") {
		if origin.Hash, err = hashOf(id); err != nil {
			return h, usage(err)
		}
	} else if origin.Number, err = strconv.ParseUint(id, 10, 64); err != nil {
		return h, usage(fmt.Errorf("%q is neither a number nor a hash (0x and 64 hex digits)", id))
	}
	return q.Header(ctx, origin)
}

func hashOf(id string) (hash common.Hash, err error) {
	b, err := hex.DecodeString(strings.TrimPrefix(id, "0x"))
	if err != nil || len(b) != common.HashLength {
		return hash, fmt.Errorf("%q is no hash: want 0x and 64 hex digits", id)
	}
	return common.BytesToHash(b), nil
}

// getBlock asks for a header and its body. The names of the fields are those of JSON-RPC.
func getBlock(ctx context.Context, q eth.Query, id string) (any, error) {
	h, err := headerOf(ctx, q, id)
	if err != nil {
		return nil, err
	}
	body, err := q.Body(ctx, h)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"hash": h.Hash, "header": h.Fields, "transactions": body.Transactions, "uncles": body.Uncles, "withdrawals": body.Withdrawals,
	}, nil
}
