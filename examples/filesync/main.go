// Command filesync shares a directory, or fetches a file from a node that shares one:
//
//	filesync DIR               prints its enode URL and serves DIR until it is interrupted
//	filesync DIR ENODE FILE    fetches FILE into DIR; a second run continues where the first stopped
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"os"
	"os/signal"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch args := os.Args[1:]; len(args) {
	case 1:
		err = run(ctx, args[0], "", "")
	case 3:
		err = run(ctx, args[0], args[1], args[2])
	default:
		err = errors.New("usage: filesync DIR [ENODE FILE]")
	}
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, dir, from, file string) error {
	peers, err := node.ParseStaticNodes(from)
	if err != nil {
		return err
	}
	f, err := openFolder(dir, file)
	if err != nil {
		return err
	}
	defer f.root.Close()
	identity, err := os.MkdirTemp("", "filesync") // a new key each time
	if err != nil {
		return err
	}
	defer os.RemoveAll(identity)
	n, err := node.New(node.Config{
		DataDir: identity, StaticNodes: peers, Specs: []protocols.Spec{f.spec()},
		Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")},
	})
	if err != nil {
		return err
	}
	if err := n.Start(ctx); err != nil {
		return err
	}
	fmt.Println(n.LocalURL())
	select {
	case err = <-f.done:
	case <-ctx.Done():
	}
	return errors.Join(err, n.Stop(context.Background()))
}
