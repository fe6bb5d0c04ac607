package nodetest_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
)

// TestLineOfFifty: a note passes along all links, and takes exactly the sum of their latencies.
func TestLineOfFifty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, lag = 50, 20 * time.Millisecond
		all, edit := relays(n)
		c := nodetest.New(t, n, edit)
		c.SetLatency(lag)
		c.Line()
		posted := time.Now()
		all[0].Post("pass it on")
		last := all[n-1]
		c.Await("the note at the other end", func() bool { _, ok := last.Heard("pass it on"); return ok })
		synctest.Wait()
		for i, r := range all {
			at, _ := r.Heard("pass it on")
			if took := at.Sub(posted); took != time.Duration(i)*lag || r.times != 1 {
				t.Errorf("node %d received it %d times, first after %v, want once after %v", i, r.times, took, time.Duration(i)*lag)
			}
		}
	})
}

// TestLineWithoutABubble is the same with the real clock, where no time is exact.
func TestLineWithoutABubble(t *testing.T) {
	const n = 8
	all, edit := relays(n)
	c := nodetest.New(t, n, edit)
	c.Line()
	c.Await("all services have their links", func() bool {
		links := 0
		for _, r := range all {
			links += r.Links()
		}
		return links == 2*(n-1)
	})
	all[n-1].Post("back")
	c.Await("the note at the other end", func() bool { _, ok := all[0].Heard("back"); return ok })
}

// TestPartitionHeals: in a long partition, links across it end on both sides, and each side
// goes on by itself. After it the nodes connect again.
func TestPartitionHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, edit := relays(6)
		c := nodetest.New(t, 6, edit)
		c.SetLatency(10 * time.Millisecond)
		c.Line()
		heard := func(text string) string {
			synctest.Wait()
			nodes := ""
			for i, r := range all {
				if _, ok := r.Heard(text); ok {
					nodes += fmt.Sprint(i)
				}
			}
			return nodes
		}
		post := func(from int, text, want string) {
			t.Helper()
			all[from].Post(text)
			time.Sleep(time.Second)
			if got := heard(text); got != want {
				t.Errorf("nodes %q received the note %q, want nodes %q", got, text, want)
			}
		}
		post(0, "at first", "012345")

		c.Partition([]int{0, 1, 2}, []int{3, 4, 5})
		post(0, "in a short one", "012")
		c.Heal() // the note was delayed, not lost
		time.Sleep(time.Second)
		if got := heard("in a short one"); got != "012345" || !c.Linked(2, 3) {
			t.Errorf("after a short partition, nodes %q have the note, want all", got)
		}

		c.Partition([]int{0, 1, 2}) // the other three are one more group
		begin := time.Now()
		post(4, "in a long one", "345")
		c.Await("the link ended on both sides", func() bool { return c.Nodes[2].PeerCount() == 1 && c.Nodes[3].PeerCount() == 1 })
		if took := time.Since(begin); took < 20*time.Second || took > 2*time.Minute {
			t.Errorf("the link ended after %v", took)
		}
		time.Sleep(10 * time.Minute)
		post(1, "after a while", "012")
		c.Heal()
		c.Await("the link again", func() bool { return c.Linked(2, 3) })
		post(5, "together", "012345")
		if got := heard("in a long one"); got != "345" {
			t.Errorf("nodes %q have the note from the partition, want 345", got)
		}
	})
}

// TestLatencyOfOnePair: one pair of hosts has a latency of its own, and Close ends a partition.
func TestLatencyOfOnePair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, edit := relays(3)
		c, err := nodetest.Open(3, edit)
		if err != nil {
			t.Fatal(err)
		}
		c.SetLatency(10 * time.Millisecond)
		c.Network.SetLatencyBetween(c.Host(1), c.Host(2), time.Second)
		c.Line()
		posted := time.Now()
		all[0].Post("slow")
		time.Sleep(10 * time.Second)
		if at, _ := all[2].Heard("slow"); at.Sub(posted) != 1010*time.Millisecond {
			t.Errorf("received after %v, want 1.01 s", at.Sub(posted))
		}
		c.Partition([]int{0})
		begin := time.Now()
		for range 2 { // a deferred Close may be the second one
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("Close took %v", took)
		}
	})
}

func TestOpenFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, edit := relays(2)
		_, err := nodetest.Open(2, func(i int, c *node.Config) {
			if edit(i, c); i == 1 {
				c.Specs = nil
			}
		})
		if err == nil || err.Error() != "node 1: node config: no protocol" {
			t.Errorf("got %v", err)
		}
	})
}

// TestConnectFails: the panic of a Cluster without a test says what did not happen.
func TestConnectFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, edit := relays(2)
		c, err := nodetest.Open(2, edit)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if said := recover(); said != "not within 3m0s: a link from 0 to 1" {
				t.Errorf("panic: %v", said)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}()
		c.Network.SetDown(c.Host(0), c.Host(1), true)
		c.Connect(0, 1)
		t.Error("Connect succeeded over a way that is down")
	})
}
