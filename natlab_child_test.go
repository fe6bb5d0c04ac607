//go:build natlab

package troupe_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/chat"
)

// childVar makes the test binary a node on a host of a lab: a process has one network
// namespace. It says what the node is to be.
const childVar = "TROUPE_LAB_NODE"

func init() {
	if spec := os.Getenv(childVar); spec != "" {
		if err := beChild([]byte(spec)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// child says what a node on a host of a lab is.
type child struct {
	Name string
	Port uint16
	Boot []string // URLs of bootnodes, for v5
	Geth bool     // go-ethereum's in place of ours
	Dir  string
}

// news is a line of what a child tells.
type news struct {
	Ready string       `json:",omitempty"` // its URL, once it listens
	Heard string       `json:",omitempty"` // a line of chat
	Link  string       `json:",omitempty"` // the ID of a new peer
	State *punch.State `json:",omitempty"`
}

// beChild runs a node until its standard input ends.
func beChild(spec []byte) error {
	var c child
	if err := json.Unmarshal(spec, &c); err != nil {
		return err
	}
	var boot []*enode.Node
	for _, url := range c.Boot {
		n, err := enode.Parse(enode.ValidSchemes, url)
		if err != nil {
			return err
		}
		boot = append(boot, n)
	}
	var mu sync.Mutex
	tell := func(n news) {
		mu.Lock()
		defer mu.Unlock()
		_ = json.NewEncoder(os.Stdout).Encode(n) // nobody hears it who is gone
	}
	key, err := crypto.GenerateKey()
	if err != nil {
		return err
	}
	run := c.troupe
	if c.Geth {
		run = c.geth
	}
	stop, err := run(key, boot, tell)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return stop()
}

// troupe runs our node, which greets each of its peers.
func (c child) troupe(key *ecdsa.PrivateKey, boot []*enode.Node, tell func(news)) (stop func() error, err error) {
	room := chat.NewRoom()
	n, err := node.New(node.Config{
		Key: key, Name: node.ClientName(c.Name), Listen: []netip.AddrPort{netip.AddrPortFrom(netip.IPv4Unspecified(), c.Port)},
		Discovery: &node.Discovery{V5: true, BootnodesV5: boot},
		Specs:     []protocols.Spec{room.Spec()},
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		return nil, err
	}
	lines := room.Hear(context.Background())
	events := n.Subscribe(context.Background())
	if err := n.Start(context.Background()); err != nil {
		return nil, err
	}
	tell(news{Ready: n.LocalURL()})
	go func() {
		for line := range lines {
			tell(news{Heard: line.Text})
		}
	}()
	go func() {
		for e := range events {
			switch e.Kind {
			case node.PeerAdded:
				tell(news{Link: e.Peer.ID.String()})
			}
		}
	}()
	go func() {
		for range time.Tick(100 * time.Millisecond) {
			if s, ok := n.HolePunching(); ok {
				tell(news{State: &s})
			}
			_, _ = room.Say("this is " + c.Name) // whoever is there
		}
	}()
	return func() error { return n.Stop(context.Background()) }, nil
}

// geth runs go-ethereum's node.
func (c child) geth(key *ecdsa.PrivateKey, boot []*enode.Node, tell func(news)) (stop func() error, err error) {
	s := &p2p.Server{Config: p2p.Config{
		PrivateKey: key, MaxPeers: 10, Name: c.Name, ListenAddr: fmt.Sprintf("0.0.0.0:%d", c.Port),
		DiscoveryV5: true, BootstrapNodesV5: boot,
	}}
	if err := s.Start(); err != nil {
		return nil, err
	}
	tell(news{Ready: s.NodeInfo().Enode})
	return func() error { s.Stop(); return nil }, nil
}

// labNode is a child that runs, as the test sees it.
type labNode struct {
	t     testing.TB
	child child
	up    time.Time

	mu    sync.Mutex
	url   string
	heard map[string]time.Time // lines of chat, by when they came first
	links map[string]bool
	state punch.State
}

// run starts a child on a host of the lab; it ends with the test. bind is its own address, for its URL.
func (l *lab) run(t testing.TB, host, bind string, c child) *labNode {
	t.Helper()
	spec, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	r := &labNode{t: t, child: c, up: time.Now(), heard: map[string]time.Time{}, links: map[string]bool{}}
	cmd := exec.Command("ip", "netns", "exec", l.host(host), os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+string(spec))
	var log strings.Builder
	cmd.Stderr = &log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		r.follow(out, bind, ready)
	}()
	t.Cleanup(func() {
		in.Close()
		<-done
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s ended: %v", c.Name, err)
		}
		if t.Failed() {
			t.Logf("%s on %s said:\n%s", c.Name, host, log.String())
		}
	})
	select {
	case <-ready:
	case <-done:
		t.Fatalf("%s did not start", c.Name)
	case <-time.After(time.Minute):
		t.Fatalf("%s did not start in time", c.Name)
	}
	r.up = time.Now()
	return r
}

// follow takes in what the child tells, until it has ended.
func (r *labNode) follow(out io.Reader, bind string, ready chan struct{}) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var n news
		if json.Unmarshal(lines.Bytes(), &n) != nil {
			continue
		}
		r.mu.Lock()
		switch {
		case n.Ready != "":
			r.url = strings.NewReplacer("127.0.0.1", bind, "[::]", bind, "0.0.0.0", bind).Replace(n.Ready)
			close(ready)
		case n.Heard != "":
			if r.heard[n.Heard].IsZero() {
				r.heard[n.Heard] = time.Now()
			}
		case n.Link != "":
			r.links[n.Link] = true
		case n.State != nil:
			r.state = *n.State
		}
		r.mu.Unlock()
	}
}

// hears says since when it has heard another one.
func (r *labNode) hears(other *labNode) (at time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok = r.heard["this is "+other.child.Name]
	return at, ok
}

// holes is what it knows of its NAT and its calls.
func (r *labNode) holes() punch.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}
