package node

import (
	"context"
	"net/netip"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/protocols"
)

// PeerInfo describes a peer and the link to it.
type PeerInfo struct {
	ID      enode.ID
	Enode   string   // its URL; the port of an inbound peer is that of its Hello
	Name    string   // the client name of its Hello
	Caps    []string // the protocols that run on the link, as name/version
	Offered []string // all protocols that the peer offers, as name/version

	LocalAddr, RemoteAddr netip.AddrPort // zero if the connection has no IP address

	Inbound bool // the peer dialed
	Punched bool // the link was made by hole punching
	Static  bool
	Trusted bool

	Since time.Time
	RTT   time.Duration // of the last ping; 0 before the first

	BytesIn, BytesOut       uint64 // on the wire, after the handshake
	MessagesIn, MessagesOut uint64 // of protocols

	// Protocols has each protocol's Spec.PeerInfo of the link, by the protocol's name:
	// "unknown" if there is none, "handshake" until it returns a value.
	Protocols map[string]any
}

// Peers lists the peers, in no particular order. It waits for no actor.
func (n *Node) Peers() []PeerInfo {
	members := n.table.Snapshot()
	list := make([]PeerInfo, len(members))
	for i, m := range members {
		list[i] = n.peerInfo(m)
	}
	return list
}

// PeerCount is the number of peers.
func (n *Node) PeerCount() int { return n.table.Size() }

func (n *Node) peerInfo(m *peers.Member) PeerInfo {
	l := m.Link
	mark := n.table.KnownOf(m.ID)
	stats := l.Stats()
	info := PeerInfo{
		ID: m.ID, Enode: urlOf(l), Name: l.Hello().Name,
		LocalAddr: netaddr.Of(l.LocalAddr()), RemoteAddr: netaddr.Of(l.RemoteAddr()),
		Inbound: l.Inbound(), Punched: m.Punched, Static: mark.Static, Trusted: mark.Trusted,
		Since: l.Started(), RTT: l.RTT(),
		BytesIn: stats.BytesIn, BytesOut: stats.BytesOut,
		MessagesIn: stats.MsgsIn, MessagesOut: stats.MsgsOut,
		Caps: []string{}, Offered: []string{}, Protocols: map[string]any{},
	}
	for _, c := range l.Caps() {
		info.Caps = append(info.Caps, c.String())
		info.Protocols[c.Name] = protocols.PeerInfo(l.Host(c.Name))
	}
	for _, c := range l.Hello().Caps {
		info.Offered = append(info.Offered, c.String())
	}
	return info
}

// NodeInfo describes the node itself.
type NodeInfo struct {
	ID     enode.ID
	Name   string
	Record string // the signed record: enr:…
	Enode  string // the URL for programs on this machine; empty if the node doesn't listen
	Caps   []string
	// Protocols has each protocol's Spec.NodeInfo, by the protocol's name: "unknown" if there
	// is none.
	Protocols map[string]any
}

// Info describes the node.
func (n *Node) Info() NodeInfo {
	info := NodeInfo{
		ID: n.id, Name: n.cfg.Name, Record: n.Self().String(), Enode: n.LocalURL(), Caps: []string{}, Protocols: map[string]any{},
	}
	o := n.offer.Load()
	for _, c := range o.Hello.Caps {
		info.Caps = append(info.Caps, c.String())
	}
	for _, m := range o.Mounted {
		s := &m.Spec
		info.Protocols[s.Name] = "unknown"
		if s.NodeInfo != nil {
			info.Protocols[s.Name] = s.NodeInfo()
		}
	}
	return info
}

// urlOf makes an enode URL of a link's remote. If this node dialed, the remote listens on the
// port of the connection. If the remote dialed, only its Hello has the port.
func urlOf(l *actors.Link) string {
	id := l.RemoteID()
	key, err := crypto.UnmarshalPubkey(append([]byte{4}, id[:]...))
	if err != nil {
		return "" // impossible: the handshake used this key
	}
	at := netaddr.Of(l.RemoteAddr())
	port := int(at.Port())
	if l.Inbound() {
		port = int(min(l.Hello().ListenPort, 1<<16-1))
	}
	return enode.NewV4(key, at.Addr().AsSlice(), port, port).URLv4()
}

// publishPeer publishes that a link is up or has ended.
func (n *Node) publishPeer(kind EventKind, m *peers.Member, cause *Cause) {
	if n.hub.listened() {
		n.hub.publish(Event{Kind: kind, Time: n.rt.Clock.Now(), Peer: n.peerInfo(m), Cause: cause})
	}
}

// publishFailure publishes that a connection did not become a link.
func (n *Node) publishFailure(p PeerInfo, err error) {
	if n.hub.listened() {
		n.hub.publish(Event{Kind: SetupFailed, Time: n.rt.Clock.Now(), Err: err, Peer: p})
	}
}

// Message is one message that a link sent or received.
type Message = actors.MessageEvent

// SubscribeMessages returns a channel with an event for each message of all links. It closes
// when ctx ends. buffer is how many events may wait. Events are dropped while it is full, so
// that no link waits for a subscriber. Without subscribers there is no cost.
func (n *Node) SubscribeMessages(ctx context.Context, buffer int) <-chan Message {
	return n.feed.Subscribe(ctx, buffer)
}
