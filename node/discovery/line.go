package discovery

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/netutil"
)

// ErrDown is what the methods of [Line] fail with while v5 is not up, or was closed during
// the call.
var ErrDown = errors.New("discovery v5 is not up")

// Line is discovery v5 for others than its actor: it asks single nodes, and sends from the
// same socket. It is made before the actor is, given to it by [Config], and outlives the
// incarnations: each of its calls goes to the session that is up at the time. The methods
// are safe from any goroutine, but block, some for as long as an answer may take: they
// are nothing for an actor's turn. The library asks one node one thing at a time, by its
// ID: who doesn't answer holds up the next call to the same node for 0.7 s, wherever it
// goes.
type Line struct {
	mux atomic.Pointer[mux]            // from Props on
	v5  atomic.Pointer[discover.UDPv5] // nil: no session is up. Set and cleared in the actor's turn.
}

// NewLine makes a line, which belongs to one [Props].
func NewLine() *Line { return &Line{} }

// Talk sends a TALKREQ of discv5-wire to a node at its UDP endpoint and gives the answer,
// which is empty from a node that doesn't know the protocol. The endpoint need not be the
// one of the node's record: enode.NewV4 makes nodes at any. A node that doesn't answer
// takes 0.7 s, and as much again if it answered the handshake.
func (l *Line) Talk(to *enode.Node, protocol string, request []byte) ([]byte, error) {
	v5, err := l.to(to)
	if err != nil {
		return nil, err
	}
	answer, err := v5.TalkRequest(to, protocol, request)
	return answer, l.blame(v5, err)
}

// Ping pings a node at its UDP endpoint, as Talk does, and gives our own one as it sees it.
// That is also a statement that our record counts, see enode.LocalNode.
func (l *Line) Ping(to *enode.Node) (observed netip.AddrPort, err error) {
	v5, err := l.to(to)
	if err != nil {
		return observed, err
	}
	pong, err := v5.Ping(to)
	if err != nil {
		return observed, l.blame(v5, err)
	}
	ip := netutil.IPToAddr(pong.ToIP)
	if !ip.IsValid() || ip.IsUnspecified() || pong.ToPort == 0 {
		return observed, fmt.Errorf("node %v sees us at %v port %d, which nobody can be at", to.ID(), pong.ToIP, pong.ToPort)
	}
	return netip.AddrPortFrom(ip, pong.ToPort), nil
}

// Record asks a node for its record, at its UDP endpoint, as Talk does.
func (l *Line) Record(of *enode.Node) (*enode.Node, error) {
	v5, err := l.to(of)
	if err != nil {
		return nil, err
	}
	record, err := v5.RequestENR(of)
	return record, l.blame(v5, err)
}

// Neighbours are the nodes in the table, those first that have answered, of those the
// nearest by ID first. There are none while v5 is down.
func (l *Line) Neighbours() []*enode.Node {
	v5 := l.v5.Load()
	if v5 == nil {
		return nil
	}
	var live, rest []*enode.Node
	for _, bucket := range v5.Nodes() {
		for _, n := range bucket {
			if n.Live {
				live = append(live, n.Node)
			} else {
				rest = append(rest, n.Node)
			}
		}
	}
	return append(live, rest...)
}

// Known gives a node of the table or of the node database, nil if it is in neither or v5
// is down. It is at the endpoint of its record, which it need not have answered from.
func (l *Line) Known(id enode.ID) *enode.Node {
	v5 := l.v5.Load()
	if v5 == nil {
		return nil
	}
	return v5.GetNode(id)
}

// Learn takes a node into the table that was seen to live at the endpoint of its record, or
// its newer record if it is there already. Where the table has no room, or its limits
// by network are reached, it is left out. A node that is there already, or whose endpoint
// is new, is given to others who ask once the library has pinged it, within seconds as
// a rule.
func (l *Line) Learn(n *enode.Node) {
	v5, err := l.to(n)
	if err != nil || len(n.Record().Signature()) == 0 {
		return // others would take an unsigned record for our lie
	}
	v5.AddKnownNode(n)
}

// Send sends one datagram from the socket that reaches the address, if it is one that we
// talk to. It goes on while v5 is down, as long as the socket is open.
func (l *Line) Send(to netip.AddrPort, datagram []byte) error {
	m := l.mux.Load()
	if m == nil || m.over() {
		return ErrDown
	}
	_, err := m.write(datagram, to)
	return err
}

// to gives what asks a node. The library would send nothing to some, and wait.
func (l *Line) to(n *enode.Node) (*discover.UDPv5, error) {
	v5 := l.v5.Load()
	if v5 == nil {
		return nil, ErrDown
	}
	at, ok := n.UDPEndpoint()
	if !ok {
		return nil, fmt.Errorf("node %v has no UDP endpoint", n.ID())
	}
	if _, err := l.mux.Load().route(at); err != nil {
		return nil, err
	}
	return v5, nil
}

// blame tells calls that failed from those that were cut off.
func (l *Line) blame(v5 *discover.UDPv5, err error) error {
	if err != nil && l.v5.Load() != v5 {
		return fmt.Errorf("%w: %w", ErrDown, err)
	}
	return err
}
