// Command memchain serves a chain from memory over eth. Every --slot it has one more block, of which
// its peers learn. Its arguments are the enode URLs of nodes to link to.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
)

func main() {
	blocks := flag.Int("blocks", 1000, "`NUMBER` of blocks that the chain will have")
	slot := flag.Duration("slot", 12*time.Second, "`TIME` between two blocks")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *blocks, *slot, strings.Join(flag.Args(), ",")); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, blocks int, slot time.Duration, peers string) error {
	static, err := node.ParseStaticNodes(peers)
	if err != nil {
		return err
	}
	m, err := newMemory(blocks)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "memchain") // a new key each time
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	e := eth.New(eth.Config{Chain: m.network, Source: m})
	n, err := node.New(node.Config{
		DataDir: dir, StaticNodes: static, Specs: []protocols.Spec{e.Spec()},
		Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")},
	})
	if err != nil {
		return err
	}
	if err := n.Start(ctx); err != nil {
		return err
	}
	fmt.Println(n.LocalURL())
	next := time.NewTicker(slot)
	defer next.Stop()
	for ctx.Err() == nil {
		select {
		case <-next.C:
			if m.grow() {
				announce(e, m)
			}
		case <-ctx.Done():
		}
	}
	return n.Stop(context.WithoutCancel(ctx))
}

// announce tells peers what the head is, and that all blocks before it are there.
func announce(e *eth.Eth, m *memory) {
	head := m.at(m.head.Load())
	e.View().Set(head.Block, 0)
}
