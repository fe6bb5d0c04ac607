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

// PeerInfo is what is known of a peer.
type PeerInfo struct {
	ID      enode.ID
	Enode   string   // its URL, with the port that it says it listens on
	Name    string   // what it calls itself
	Caps    []string // of the protocols that run on the link, as name/version
	Offered []string // of all that it offers

	LocalAddr, RemoteAddr netip.AddrPort // zero where a connection has no IP address

	Inbound bool // it dialed
	Punched bool // through a hole in NATs, with a neighbour's help
	Static  bool
	Trusted bool

	Since time.Time
	RTT   time.Duration // of the last ping; 0 before the first

	BytesIn, BytesOut       uint64 // on the wire, after the handshake
	MessagesIn, MessagesOut uint64 // of protocols

	// Protocols is what each protocol says of the link, by name: "unknown" if it has
	// no Spec.PeerInfo, "handshake" while that has nothing to say.
	Protocols map[string]any
}

// Peers lists the peers, in no particular order. It asks no actor, so that it answers
// also when they are busy.
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
		Protocols: map[string]any{},
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

// NodeInfo is what a node says of itself.
type NodeInfo struct {
	ID     enode.ID
	Name   string
	Record string // as signed: enr:…
	Enode  string // the URL for programs on this machine; empty if it doesn't listen
	Caps   []string
	// Protocols is what each protocol says of itself, by name: "unknown" if it has no
	// Spec.NodeInfo.
	Protocols map[string]any
}

// Info tells what the node is.
func (n *Node) Info() NodeInfo {
	info := NodeInfo{
		ID: n.id, Name: n.cfg.Name, Record: n.Self().String(), Enode: n.LocalURL(), Protocols: map[string]any{},
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

// urlOf makes an enode URL of what is known of a remote. The port of its end of the
// connection is where it listens only if we dialed; otherwise there is its word alone.
func urlOf(l *actors.Link) string {
	id := l.RemoteID()
	key, err := crypto.UnmarshalPubkey(append([]byte{4}, id[:]...))
	if err != nil {
		return "" // can't be: the handshake was made with this key
	}
	at := netaddr.Of(l.RemoteAddr())
	port := int(at.Port())
	if l.Inbound() {
		port = int(min(l.Hello().ListenPort, 1<<16-1))
	}
	return enode.NewV4(key, at.Addr().AsSlice(), port, port).URLv4()
}

// publishPeer publishes that a peer came or went.
func (n *Node) publishPeer(kind EventKind, m *peers.Member, cause *Cause) {
	if n.hub.listened() {
		n.hub.publish(Event{Kind: kind, Time: n.rt.Clock.Now(), Peer: n.peerInfo(m), Cause: cause})
	}
}

// publishFailure publishes that a connection became no link.
func (n *Node) publishFailure(p PeerInfo, err error) {
	if n.hub.listened() {
		n.hub.publish(Event{Kind: SetupFailed, Time: n.rt.Clock.Now(), Err: err, Peer: p})
	}
}

// Message is one message that a link sent or received.
type Message = actors.MessageEvent

// SubscribeMessages gives an event for each message of all links until ctx ends; then the
// channel closes. buffer is how many may wait; what finds it full is dropped, so that no
// link ever waits for a subscriber. Nodes without subscribers pay nothing for this.
func (n *Node) SubscribeMessages(ctx context.Context, buffer int) <-chan Message {
	return n.feed.Subscribe(ctx, buffer)
}
