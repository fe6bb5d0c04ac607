package gethcompat_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/p2p"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols/gethcompat"
)

// tally is a protocol written for go-ethereum. Each side sends a status, then numbers, both
// sides at once, and their sum at the end. The same code runs at both ends.
func tally(version uint, result chan<- error) p2p.Protocol {
	const count, statusCode, numberCode, sumCode = 5000, 0, 1, 2
	payload := bytes.Repeat([]byte("tally"), 100)
	type status struct {
		Version uint
		Name    string
	}
	type number struct {
		N       uint64
		Payload []byte
	}
	type sum struct{ Of, Is uint64 }
	talk := func(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
		sent := make(chan error, 1)
		go func() { sent <- p2p.Send(rw, statusCode, &status{version, "tally"}) }()
		if err := p2p.ExpectMsg(rw, statusCode, &status{version, "tally"}); err != nil {
			return fmt.Errorf("status of %v: %w", peer.ID(), err)
		}
		if err := <-sent; err != nil {
			return err
		}
		go func() {
			is := uint64(0)
			for n := range uint64(count) {
				is += n
				if err := p2p.Send(rw, numberCode, &number{n, payload}); err != nil {
					sent <- err
					return
				}
			}
			sent <- p2p.Send(rw, sumCode, &sum{count, is})
		}()
		is := uint64(0)
		for n := range uint64(count) {
			msg, err := rw.ReadMsg()
			if err != nil {
				return err
			}
			var got number
			if err := msg.Decode(&got); err != nil {
				return err
			}
			if got.N != n || !bytes.Equal(got.Payload, payload) || msg.ReceivedAt.IsZero() {
				return fmt.Errorf("number %d is %d with %d bytes, received at %v", n, got.N, len(got.Payload), msg.ReceivedAt)
			}
			is += n
		}
		return errors.Join(p2p.ExpectMsg(rw, sumCode, &sum{count, is}), <-sent)
	}
	return p2p.Protocol{Name: "tally", Version: version, Length: 3, Run: func(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
		result <- talk(peer, rw)
		_, err := rw.ReadMsg() // until the link ends
		return err
	}}
}

// startNode starts a node of ours with the same protocols.
func startNode(t *testing.T, protos ...p2p.Protocol) *node.Node {
	t.Helper()
	specs, err := gethcompat.Specs(protos...)
	if err != nil {
		t.Fatal(err)
	}
	return nodetest.Start(t, func(c *node.Config) { c.Specs = specs })
}

// TestAgainstGoEthereum runs one unchanged protocol on a go-ethereum node and on ours. The
// link uses the highest common version, whichever side dials.
func TestAgainstGoEthereum(t *testing.T) {
	for name, theyDial := range map[string]bool{"they dial": true, "we dial": false} {
		t.Run(name, func(t *testing.T) {
			theirs, ours := make(chan error, 1), make(chan error, 1)
			server, self := fixture.Geth(t, func(c *p2p.Config) { c.Protocols = []p2p.Protocol{tally(1, theirs), tally(2, theirs)} })
			n := startNode(t, tally(1, ours), tally(2, ours), p2p.Protocol{Name: "tally", Version: 3, Length: 1, Run: silent})
			if theyDial {
				server.AddPeer(n.Self())
			} else if err := n.AddPeer(self); err != nil {
				t.Fatal(err)
			}
			for name, side := range map[string]chan error{"go-ethereum": theirs, "ours": ours} {
				if err := actortest.Receive(t, side); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if peers := n.Peers(); len(peers) != 1 || !strings.Contains(fmt.Sprint(peers[0].Caps), "tally/2") {
				t.Errorf("peers are %+v", peers)
			}
		})
	}
}
