package storm_test

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
)

// ledger keeps from a node's events what its peers must be.
type ledger struct {
	requests chan chan tally
	done     chan tally // has the end once the events have ended
}

// tally is what the events say.
type tally struct {
	peers          map[enode.ID]bool
	added, dropped uint64
	missed         uint64
	wrong          []string
}

// newLedger reads the events of a node from before its start to its end.
func newLedger(n *node.Node) *ledger {
	l := &ledger{requests: make(chan chan tally), done: make(chan tally, 1)}
	events := n.Subscribe(context.Background())
	go func() {
		t := tally{peers: map[enode.ID]bool{}}
		for {
			select {
			case e, ok := <-events:
				if !ok {
					l.done <- t
					return
				}
				t.add(e)
			case answer := <-l.requests:
				answer <- t.copy()
			}
		}
	}()
	return l
}

func (t *tally) add(e node.Event) {
	t.missed += e.Missed
	switch e.Kind {
	case node.PeerAdded:
		t.added++
		if t.peers[e.Peer.ID] {
			t.wrong = append(t.wrong, "added twice: "+e.Peer.ID.String())
		}
		t.peers[e.Peer.ID] = true
	case node.PeerDropped:
		t.dropped++
		if !t.peers[e.Peer.ID] {
			t.wrong = append(t.wrong, "dropped and not added: "+e.Peer.ID.String())
		}
		delete(t.peers, e.Peer.ID)
	}
}

func (t *tally) copy() tally {
	c := *t
	c.peers = map[enode.ID]bool{}
	for id := range t.peers {
		c.peers[id] = true
	}
	return c
}

// agrees waits until the peers that the events tell of are those that the node names.
func (l *ledger) agrees(t *testing.T, n *node.Node) {
	t.Helper()
	var last tally
	ok := actortest.Poll(func() bool {
		answer := make(chan tally)
		l.requests <- answer
		last = <-answer
		peers := n.Peers()
		return len(peers) == len(last.peers) && !slices.ContainsFunc(peers, func(p node.PeerInfo) bool { return !last.peers[p.ID] })
	})
	if !ok {
		t.Errorf("the events tell of the peers %v, the node of %v", last.peers, n.Peers())
	}
}

// ended checks events and counters of a node that has stopped.
func (l *ledger) ended(t *testing.T, n *node.Node) {
	t.Helper()
	end := actortest.Receive(t, l.done)
	for _, wrong := range end.wrong {
		t.Error(wrong)
	}
	s := n.State()
	if end.missed == 0 && (end.added != s.Peers.Linked || end.dropped != s.Peers.Ended) {
		t.Errorf("events tell of %d links and %d ends, the counters of %d and %d", end.added, end.dropped, s.Peers.Linked, s.Peers.Ended)
	}
	if s.Peers.Linked != s.Peers.Ended || s.Peers.Peers != 0 || n.PeerCount() != 0 {
		t.Errorf("after the end: %+v", s.Peers)
	}
	if s.Setup.Inbound != 0 || s.Setup.Outbound != 0 || s.Setup.Waiting != 0 {
		t.Errorf("after the end: %+v", s.Setup)
	}
	if end.missed != 0 {
		t.Errorf("%d events were dropped, although they were read at once", end.missed)
	}
}

// counters checks that what may only grow does so, and that no gauge is negative.
type counters struct{ last map[string]uint64 }

func newCounters() *counters { return &counters{map[string]uint64{}} }

func (c *counters) check(t *testing.T, s node.State) {
	t.Helper()
	v := reflect.ValueOf(s)
	for _, part := range []string{"Peers", "Setup", "Dial", "Bans", "Listen", "Record", "Admin", "Discovery"} {
		fields := v.FieldByName(part)
		for i := range fields.NumField() {
			name, f := part+"."+fields.Type().Field(i).Name, fields.Field(i)
			switch {
			case f.Kind() == reflect.Uint64 && !strings.HasSuffix(name, "Seq"):
				if f.Uint() < c.last[name] {
					t.Errorf("%s fell from %d to %d", name, c.last[name], f.Uint())
				}
				c.last[name] = f.Uint()
			case f.Kind() == reflect.Int && f.Int() < 0:
				t.Errorf("%s is %d", name, f.Int())
			}
		}
	}
}
