// Command chat carries lines of text between nodes. It sends each line of standard input to all
// linked nodes and prints the lines that it receives. Its arguments are the enode URLs of nodes to
// link to.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"os"
	"strings"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
)

func main() {
	if err := run(strings.Join(os.Args[1:], ",")); err != nil {
		log.Fatal(err)
	}
}

func run(peers string) error {
	static, err := node.ParseStaticNodes(peers)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "chat") // a new key each time
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// Lines from strangers are quoted, so that control characters cannot move the cursor.
	r := &room{hear: func(from protocols.Peer, line string) { fmt.Printf("%v %q\n", from.Addr, line) }}
	n, err := node.New(node.Config{
		DataDir: dir, StaticNodes: static, Specs: []protocols.Spec{r.spec()},
		Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")},
	})
	if err != nil {
		return err
	}
	if err := n.Start(context.Background()); err != nil {
		return err
	}
	fmt.Println(n.LocalURL())
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if err := r.say(in.Text()); err != nil {
			fmt.Println("not sent:", err)
		}
	}
	return errors.Join(in.Err(), n.Stop(context.Background()))
}
