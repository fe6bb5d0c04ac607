package discovery

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// TestFindsAndIsFound: the actor finds a v4 node and a v5 node of go-ethereum, and they find the
// actor's node.
func TestFindsAndIsFound(t *testing.T) {
	var v4, v5 *remote
	perform(t, func(s *stage, c *Config) {
		v4, v5 = s.addV4("10.0.0.4:30303"), s.addV5("10.0.0.5:30303")
		synctest.Wait() // they do not list nodes that come before their first search has ended
		c.V4, c.V5 = true, true
		c.Bootnodes, c.BootnodesV5 = append(c.Bootnodes, v4.node()), append(c.BootnodesV5, v5.node())
	}, func(s *stage) {
		s.ask(2)
		got := s.candidates(2)
		var sources []string
		for _, c := range got {
			sources = append(sources, c.Source)
			if want := map[string]*remote{SourceV4: v4, SourceV5: v5}[c.Source]; c.Node.ID() != want.node().ID() {
				t.Errorf("candidate %v from %s, want %v", c.Node, c.Source, want.node())
			}
		}
		if slices.Sort(sources); fmt.Sprint(sources) != "[v4 v5]" {
			t.Errorf("candidates from %v, want one of each version", sources)
		}
		knows := func(buckets [][]discover.BucketNode) bool {
			return slices.ContainsFunc(slices.Concat(buckets...), func(n discover.BucketNode) bool { return n.Node.ID() == s.local.ID() })
		}
		// The library lists a node that it has met once its own first search has ended, or when they meet again.
		for until := time.Now().Add(10 * time.Minute); time.Now().Before(until) && !(knows(v4.v4.TableBuckets()) && knows(v5.v5.Nodes())); {
			time.Sleep(time.Second)
		}
		if !knows(v4.v4.TableBuckets()) {
			t.Error("the v4 node doesn't know this node")
		}
		if !knows(v5.v5.Nodes()) {
			t.Error("the v5 node doesn't know this node")
		}
		if st := s.status(); st.V4.Nodes != 1 || st.V5.Nodes != 1 || st.Wanted != 0 {
			t.Errorf("status %+v, v4 %+v, v5 %+v", st, st.V4, st.V5)
		}
	})
}

// TestCrashKeepsSocketAndCredit: a crash closes no socket, and outstanding candidates are delivered
// after it.
func TestCrashKeepsSocketAndCredit(t *testing.T) {
	var v4 *remote
	perform(t, func(s *stage, c *Config) {
		v4 = s.addV4("10.0.0.4:30303")
		c.V4, c.V5, c.Bootnodes = true, true, []*enode.Node{v4.node()}
	}, func(s *stage) {
		s.ask(2) // there is only one node
		s.candidates(1)
		s.root.Send(s.pid, &supervise.Inject{})
		s.candidates(2)
		if n := s.restarts(); n != 1 {
			t.Errorf("%d restarts, want 1", n)
		}
		if _, err := v4.v4.Ping(s.local.Node()); err != nil {
			t.Errorf("ping after the restart: %v", err)
		}
	})
}
