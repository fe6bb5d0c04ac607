// Command pubsub carries posts between nodes. Each node gets the posts on the topics that it wants:
//
//	pubsub --topics news,weather [--peers ENODE,ENODE]
//
// The input line 'news it rains' publishes the post 'it rains' on the topic news.
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
	topics := flag.String("topics", "news", "topics to receive and forward, separated by commas")
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
