//go:build natlab

package natlab_test

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

// childVar is the environment variable that makes the test binary run as a node on a host of a
// lab, because a process has one network namespace. Its value is a child as JSON.
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

// child describes a node on a host of a lab.
type child struct {
	Name string
	Port uint16
	Boot []string // URLs of bootnodes, for v5
	Geth bool     // go-ethereum's node instead of ours
	Dir  string
}

// news is one line of a child's standard output.
type news struct {
	Ready string       `json:",omitempty"` // its URL, once it listens
	Heard string       `json:",omitempty"` // a line of chat that it received
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
	report := func(n news) {
		mu.Lock()
		defer mu.Unlock()
		_ = json.NewEncoder(os.Stdout).Encode(n) // it fails once the test has ended
	}
	key, err := crypto.GenerateKey()
	if err != nil {
		return err
	}
	run := c.troupe
	if c.Geth {
		run = c.geth
	}
	stop, err := run(key, boot, report)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return stop()
}

// troupe runs our node, which sends its name to all its peers.
func (c child) troupe(key *ecdsa.PrivateKey, boot []*enode.Node, report func(news)) (stop func() error, err error) {
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
	report(news{Ready: n.LocalURL()})
	go func() {
		for line := range lines {
			report(news{Heard: line.Text})
		}
	}()
	go func() {
		for e := range events {
			if e.Kind == node.PeerAdded {
				report(news{Link: e.Peer.ID.String()})
			}
		}
	}()
	go func() {
		for range time.Tick(100 * time.Millisecond) {
			if s, ok := n.HolePunching(); ok {
				report(news{State: &s})
			}
			_, _ = room.Say("this is " + c.Name) // to the peers that there are
		}
	}()
	return func() error { return n.Stop(context.Background()) }, nil
}

// geth runs go-ethereum's node.
func (c child) geth(key *ecdsa.PrivateKey, boot []*enode.Node, report func(news)) (stop func() error, err error) {
	s := &p2p.Server{Config: p2p.Config{
		PrivateKey: key, MaxPeers: 10, Name: c.Name, ListenAddr: fmt.Sprintf("0.0.0.0:%d", c.Port),
		DiscoveryV5: true, BootstrapNodesV5: boot,
	}}
	if err := s.Start(); err != nil {
		return nil, err
	}
	report(news{Ready: s.NodeInfo().Enode})
	return func() error { s.Stop(); return nil }, nil
}

// labNode is a running child, as the test sees it.
type labNode struct {
	t     testing.TB
	child child
	up    time.Time

	mu    sync.Mutex
	url   string
	heard map[string]time.Time // when each line of chat first came
	links map[string]bool
	state punch.State
}

// run starts a child on a host of the lab; it ends with the test. bind is the host's address, for
// the child's URL.
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
			t.Logf("log of %s on %s:\n%s", c.Name, host, log.String())
		}
	})
	select {
	case <-ready:
	case <-done:
		t.Fatalf("%s ended before it was ready", c.Name)
	case <-time.After(time.Minute):
		t.Fatalf("%s was not ready within a minute", c.Name)
	}
	r.up = time.Now()
	return r
}

// follow records what the child reports, until the child has ended.
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

// hears returns when the first line of another node came. ok is false when none has come.
func (r *labNode) hears(other *labNode) (at time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok = r.heard["this is "+other.child.Name]
	return at, ok
}

// holes returns what the node knows of its NAT and its calls.
func (r *labNode) holes() punch.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}
