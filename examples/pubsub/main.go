// Command pubsub carries posts between nodes, each to those who want to hear of its topic:
//
//	pubsub --topics news,weather [--peers ENODE,ENODE]
//
// A line 'news it rains' of the input is a post about news.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/netip"
	"os"
	"strings"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
)

func main() {
	topics := flag.String("topics", "news", "what to hear and to pass on, separated by commas")
	peers := flag.String("peers", "", "nodes to link to: enode URLs, separated by commas")
	flag.Parse()
	if err := run(strings.Split(*topics, ","), *peers); err != nil {
		log.Fatal(err)
	}
}

func run(topics []string, peers string) error {
	static, err := node.ParseStaticNodes(peers)
	if err != nil {
		return err
	}
	b, err := newBroker(topics, func(topic string, data []byte) { fmt.Printf("%q %q\n", topic, data) })
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "pubsub") // a new key each time
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	n, err := node.New(node.Config{
		DataDir: dir, StaticNodes: static, Specs: []protocols.Spec{b.spec()},
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
		topic, text, _ := strings.Cut(in.Text(), " ")
		if err := b.publish(topic, []byte(text)); err != nil {
			fmt.Println("not published:", err)
		}
	}
	return errors.Join(in.Err(), n.Stop(context.Background()))
}
