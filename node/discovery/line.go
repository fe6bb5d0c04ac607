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

// ErrDown is the error of the methods of [Line] while v5 is not up, or if it was closed during the
// call.
var ErrDown = errors.New("discovery v5 is not up")

// Line gives code other than the actor access to discovery v5: it sends requests to single nodes,
// and datagrams from the same socket. It is made before the actor, passed to it by [Config], and
// survives restarts of the actor: each call uses the session that is up at the time. The methods
// are safe for concurrent use, but they block, some until an answer arrives: do not call them in an
// actor's turn. The library sends only one request at a time to one node, by its ID: a node that
// doesn't answer delays the next call to the same node by 0.7 s, even at another endpoint.
type Line struct {
	mux atomic.Pointer[mux]            // set by Props
	v5  atomic.Pointer[discover.UDPv5] // nil: no session is up; written in the actor's turn
}

// NewLine returns a Line, which can be used with one [Props].
func NewLine() *Line { return &Line{} }

// Talk sends a TALKREQ of discv5-wire to a node at its UDP endpoint and returns the answer. A node
// that doesn't support the protocol sends an empty answer. The endpoint may differ from the node's
// record: enode.NewV4 makes nodes at any endpoint. For a node that doesn't answer, the call takes
// 0.7 s, or twice that if the node answered the handshake.
func (l *Line) Talk(to *enode.Node, protocol string, request []byte) ([]byte, error) {
	v5, err := l.to(to)
	if err != nil {
		return nil, err
	}
	answer, err := v5.TalkRequest(to, protocol, request)
	return answer, l.wrapDown(v5, err)
}

// Ping pings a node at its UDP endpoint, as Talk does, and returns our own endpoint as seen by the
// node. Our record also counts that statement, see enode.LocalNode.
func (l *Line) Ping(to *enode.Node) (observed netip.AddrPort, err error) {
	v5, err := l.to(to)
	if err != nil {
		return observed, err
	}
	pong, err := v5.Ping(to)
	if err != nil {
		return observed, l.wrapDown(v5, err)
	}
	ip := netutil.IPToAddr(pong.ToIP)
	if !ip.IsValid() || ip.IsUnspecified() || pong.ToPort == 0 {
		return observed, fmt.Errorf("node %v reports our endpoint as %v port %d, which is invalid", to.ID(), pong.ToIP, pong.ToPort)
	}
	return netip.AddrPortFrom(ip, pong.ToPort), nil
}

// Record requests a node's record from its UDP endpoint, as Talk does.
func (l *Line) Record(of *enode.Node) (*enode.Node, error) {
	v5, err := l.to(of)
	if err != nil {
		return nil, err
	}
	record, err := v5.RequestENR(of)
	return record, l.wrapDown(v5, err)
}

// Neighbours returns the nodes in the table: first those that have answered, nearest by ID first,
// then the others. It returns none while v5 is down.
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

// Known returns a node of the table or of the node database, nil if it is in neither or v5 is down.
// The node has the endpoint of its record, from which it may never have answered.
func (l *Line) Known(id enode.ID) *enode.Node {
	v5 := l.v5.Load()
	if v5 == nil {
		return nil
	}
	return v5.GetNode(id)
}

// Learn adds a node to the table that was seen at the endpoint of its record. If the node is
// already there, Learn updates its record. If the table has no room, or its limits by network are
// reached, the node is ignored. The library returns a node that was already there, or whose
// endpoint is new, in its answers to others only after it has pinged the node, which usually takes
// seconds.
func (l *Line) Learn(n *enode.Node) {
	v5, err := l.to(n)
	if err != nil || len(n.Record().Signature()) == 0 {
		return // others would consider an unsigned record forged by this node
	}
	v5.AddKnownNode(n)
}

// Send sends one datagram from the socket that reaches the address, if NetRestrict allows the
// address. It works while v5 is down, as long as the socket is open.
func (l *Line) Send(to netip.AddrPort, datagram []byte) error {
	m := l.mux.Load()
	if m == nil || m.over() {
		return ErrDown
	}
	_, err := m.write(datagram, to)
	return err
}

// to returns the transport for a request to n. It fails early for nodes to which the library would
// send nothing and then wait.
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

// wrapDown adds ErrDown to the error of a call whose session was closed during the call.
func (l *Line) wrapDown(v5 *discover.UDPv5, err error) error {
	if err != nil && l.v5.Load() != v5 {
		return fmt.Errorf("%w: %w", ErrDown, err)
	}
	return err
}
