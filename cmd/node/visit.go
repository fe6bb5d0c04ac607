package main

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/urfave/cli/v3"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
)

// flushTimeout limits how long flush waits for the last messages before the Disconnect.
const flushTimeout = 2 * time.Second

// visit is a short-lived node with a link to one other node. A command starts it to use one
// protocol.
type visit struct {
	n      *node.Node
	events <-chan node.Event // those after the link started
}

// startVisit starts a node and links it to target. The caller stops the visit.
func startVisit(ctx context.Context, cmd *cli.Command, target *enode.Node, spec protocols.Spec) (*visit, error) {
	key, err := givenKey(cmd)
	if err != nil {
		return nil, usage(err)
	}
	cfg := node.Config{Key: key, Name: node.ClientName(cmd.String(flagIdentity)), Specs: []protocols.Spec{spec}}
	if key == nil {
		if cfg.Key, err = node.FreshKey(); err != nil {
			return nil, err
		}
	}
	n, err := node.New(cfg)
	if err != nil {
		return nil, err
	}
	v := &visit{n: n, events: n.Subscribe(ctx)}
	if err := n.Start(ctx); err != nil {
		return nil, err
	}
	if err = n.AddPeer(target); err == nil {
		err = awaitPeer(ctx, v.events)
	}
	if err != nil {
		v.stop()
		return nil, err
	}
	return v, nil
}

// stop stops the node, which sends a Disconnect.
func (v *visit) stop() {
	stopping, cancel := stopContext(v.n, time.Now())
	defer cancel()
	_ = v.n.Stop(stopping) // the process ends anyway
}

// awaitPeer waits until the link starts. It returns an error if its setup fails.
func awaitPeer(ctx context.Context, events <-chan node.Event) error {
	for e := range events {
		switch e.Kind {
		case node.PeerAdded:
			return nil
		case node.SetupFailed:
			return e.Err
		}
	}
	return endOfVisit(ctx)
}

// endOfVisit returns why there are no more events: a signal has ended ctx, or the node stopped.
func endOfVisit(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return node.ErrStopped
}

// flush waits until at least least bytes are written and the link writes no more, because a
// Disconnect would overtake queued messages. No event reports an empty queue, so flush waits until
// the byte count stays unchanged for 10 ticks.
func flush(ctx context.Context, n *node.Node, least uint64) {
	const (
		tick    = 5 * time.Millisecond
		silence = 10 // ticks
	)
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	timeout := time.After(flushTimeout)
	written, quiet := uint64(0), 0
	for quiet < silence || written < least {
		peers := n.Peers()
		if len(peers) == 0 {
			return
		}
		if now := peers[0].BytesOut; now != written {
			written, quiet = now, 0
		}
		quiet++
		select {
		case <-ticks.C:
		case <-timeout:
			return
		case <-ctx.Done():
			return
		}
	}
}

// ended returns an error if e says that the link ended, or if ok is false because there are no
// more events.
func ended(ctx context.Context, e node.Event, ok bool) error {
	switch {
	case !ok:
		return endOfVisit(ctx)
	case e.Kind == node.PeerDropped:
		return fmt.Errorf("link ended: %w", e.Cause)
	}
	return nil
}
