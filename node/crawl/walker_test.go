package crawl

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/discovery"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/wire"
)

// guide is a fake discovery: it answers requests with the given nodes.
type guide struct {
	nodes   []*enode.Node
	records map[enode.ID]*enode.Node // answers to Resolve
	at      int
	asked   func(walker *actor.PID, ctx actor.Context) // called before each answer
}

func (g *guide) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *discovery.Request:
		if g.asked != nil {
			g.asked(msg.To, ctx)
		}
		for i := 0; i < msg.N && g.at < len(g.nodes); i++ {
			ctx.Send(msg.To, &discovery.Candidate{Node: g.nodes[g.at], Source: discovery.SourceV4})
			g.at++
		}
	case *discovery.Resolve:
		ctx.Send(msg.To, &discovery.Resolved{ID: msg.Node.ID(), Node: g.records[msg.Node.ID()]})
	case *discovery.Leave:
		ctx.Stop(ctx.Self())
	}
}

// play crawls the guide's nodes in simulated time, and returns the summary, the duration
// and the error.
func play(t *testing.T, g *guide, edit func(*Config, *store)) (sum Summary, took time.Duration, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, failed := openStore(filepath.Join(t.TempDir(), "crawl.db"))
		if failed != nil {
			t.Fatal(failed)
		}
		c := Config{DB: "open already", Quiet: time.Minute, Visit: func(_ context.Context, n *enode.Node) (node.PingResult, error) {
			return node.PingResult{Hello: &wire.Hello{Name: "Geth/v1.0.0"}}, nil
		}}
		if edit != nil {
			edit(&c, s)
		}
		if c, failed = c.complete(); failed != nil {
			t.Fatal(failed)
		}
		begin := time.Now()
		h := newShared(c, s)
		h.plan.news = begin
		err = h.supervise(t.Context(), actor.PropsFromProducer(func() actor.Actor { return g }))
		took = time.Since(begin)
		if err == nil {
			if sum, failed = s.summary(); failed != nil {
				t.Error(failed)
			}
		}
		if failed := s.close(); failed != nil && err == nil {
			t.Error(failed)
		}
		time.Sleep(time.Minute) // simulated: lets the runtime's last goroutines end
	})
	return sum, took, err
}

func someNodes(t *testing.T, n int) (list []*enode.Node) {
	for i := range n {
		list = append(list, record4(t, fmt.Sprintf("192.0.2.%d", i+1)))
	}
	return list
}

// TestEndsWhenQuiet: the crawl ends when all nodes have been visited and nothing new has
// come for Config.Quiet.
func TestEndsWhenQuiet(t *testing.T) {
	sum, took, err := play(t, &guide{nodes: someNodes(t, 30)}, nil)
	if err != nil || sum.Visited != 30 || sum.Alive != 30 {
		t.Errorf("got %+v, %v", sum, err)
	}
	if took < time.Minute || took > time.Minute+10*time.Second {
		t.Errorf("the crawl took %v, want about a minute", took)
	}
}

// TestAsksForRecords: the walker asks a node for its record if it was found without one and
// answers.
func TestAsksForRecords(t *testing.T) {
	key := fixture.Key(t)
	signed := signedNode(t, key, ethEntry{ForkID: ForkID{Hash: [4]byte{0xc3, 0x76, 0xcf, 0x8b}}})
	bare := enode.NewV4(&key.PublicKey, []byte{192, 0, 2, 1}, 30303, 30303)
	g := &guide{nodes: []*enode.Node{bare}, records: map[enode.ID]*enode.Node{bare.ID(): signed}}
	sum, _, err := play(t, g, nil)
	if want := []Count{{"0xc376cf8b next 0 (mainnet Prague)", 1}}; err != nil || !slices.Equal(sum.ForkIDs, want) {
		t.Errorf("got %+v, %v, want fork id %v", sum, err, want)
	}
}

// TestLeavesAlone: consensus clients and nodes in private networks are not visited.
func TestLeavesAlone(t *testing.T) {
	nodes := []*enode.Node{
		record4(t, "192.0.2.1"), record4(t, "10.0.0.1"), record4(t, "127.0.0.1"), record4(t, "100.64.0.1"), record4(t, "0.0.0.0"),
		record4(t, "192.0.2.2", anyETH2{}),
	}
	sum, _, err := play(t, &guide{nodes: nodes}, nil)
	if err != nil || sum.Known != 2 || sum.Visited != 1 || sum.Consensus != 1 {
		t.Errorf("got %+v, %v", sum, err)
	}
}

// anyETH2 is an eth2 entry.
type anyETH2 struct{ A []byte }

func (anyETH2) ENRKey() string { return "eth2" }

// TestRateOfVisits: the limits of concurrent visits and of visits per second hold.
func TestRateOfVisits(t *testing.T) {
	var (
		mu    sync.Mutex
		now   int
		most  int
		begun []time.Time
	)
	sum, _, err := play(t, &guide{nodes: someNodes(t, 60)}, func(c *Config, _ *store) {
		c.Parallel, c.PerSecond = 7, 5
		c.Visit = func(ctx context.Context, _ *enode.Node) (node.PingResult, error) {
			mu.Lock()
			now++
			most = max(most, now)
			begun = append(begun, time.Now())
			mu.Unlock()
			<-ctx.Done() // all of them hang
			mu.Lock()
			now--
			mu.Unlock()
			return node.PingResult{}, errors.New("no answer")
		}
	})
	if err != nil || sum.Visited != 60 || most != 7 || !slices.Equal(sum.Outcomes, []Count{{"timeout", 60}}) {
		t.Errorf("got %+v, %v, at most %d at once, want 7", sum, err, most)
	}
	for i := 5; i < len(begun); i++ {
		if gap := begun[i].Sub(begun[i-5]); gap < time.Second {
			t.Fatalf("visits %d to %d began within %v", i-5, i, gap)
		}
	}
}

// TestCrashes: a panic of a visit loses only that visit's result, and a panic of the walker
// loses nothing.
func TestCrashes(t *testing.T) {
	nodes := someNodes(t, 40)
	injected := false
	g := &guide{nodes: nodes}
	g.asked = func(walker *actor.PID, ctx actor.Context) {
		if g.at > 0 && !injected {
			injected = true
			ctx.Send(walker, &supervise.Inject{})
		}
	}
	sum, _, err := play(t, g, func(c *Config, _ *store) {
		inner := c.Visit
		c.Visit = func(ctx context.Context, n *enode.Node) (node.PingResult, error) {
			if n.ID() == nodes[3].ID() {
				panic("a bug")
			}
			select { // some visits must be in progress when the walker crashes
			case <-time.After(3 * time.Second):
			case <-ctx.Done():
			}
			return inner(ctx, n)
		}
	})
	if want := []Count{{"answered", 39}, {"crashed", 1}}; err != nil || !injected || !slices.Equal(sum.Outcomes, want) {
		t.Errorf("got %+v, %v, injected %v; want outcomes %v", sum, err, injected, want)
	}
}

// TestDatabaseFails: a crawl that can't write ends with the database's error.
func TestDatabaseFails(t *testing.T) {
	_, took, err := play(t, &guide{nodes: someNodes(t, 3)}, func(_ *Config, s *store) {
		if _, err := s.db.Exec("DROP TABLE nodes"); err != nil {
			t.Fatal(err)
		}
	})
	if err == nil || !strings.Contains(err.Error(), "no such table") || took > 10*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
}
