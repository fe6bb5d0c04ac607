package node

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/troupe-p2p/troupe/node/bans"
	"github.com/troupe-p2p/troupe/node/record"
	"github.com/troupe-p2p/troupe/protocols"
)

// Errors of the admin API.
var (
	// ErrUnknownProtocol: the node has no protocol of that name to add.
	ErrUnknownProtocol = errors.New("no such protocol")
	// ErrNoNAT: port mapping and hole punching are disabled, or have no result yet.
	ErrNoNAT = errors.New("no NAT information: port mapping and hole punching are disabled or have not finished")
)

// defaultBan is how long a ban lasts that is given no time.
const defaultBan = 24 * time.Hour

// adminAPI is namespace admin. Its methods don't wait for actors.
type adminAPI struct{ n *Node }

// NodeInfo is admin_nodeInfo.
func (a *adminAPI) NodeInfo() nodeView { return a.n.nodeView() }

// Peers is admin_peers.
func (a *adminAPI) Peers() []peerView {
	peers := a.n.Peers()
	views := make([]peerView, len(peers))
	for i := range peers {
		views[i] = peerViewOf(&peers[i])
	}
	return views
}

// Datadir is admin_datadir: as a path that holds in the caller's working directory, too.
func (a *adminAPI) Datadir() (string, error) {
	if a.n.cfg.DataDir == "" {
		return "", nil
	}
	return filepath.Abs(a.n.cfg.DataDir)
}

// AddPeer is admin_addPeer: keep a link to this node.
func (a *adminAPI) AddPeer(url string) (bool, error) {
	nodes, err := ParseStaticNodes(url)
	if err != nil {
		return false, err
	}
	if len(nodes) != 1 {
		return false, fmt.Errorf("add peer %q: want one node", url)
	}
	if err := a.n.AddPeer(nodes[0]); err != nil {
		return false, err
	}
	return true, nil
}

// RemovePeer is admin_removePeer: end the link, and dial that node no more. A node may
// be named by its URL, its record or its ID.
func (a *adminAPI) RemovePeer(node string) (bool, error) {
	id, err := namedNode(node)
	if err != nil {
		return false, err
	}
	if err := a.n.RemovePeer(id); err != nil {
		return false, err
	}
	return true, nil
}

// AddTrustedPeer is admin_addTrustedPeer: let a node in above the limit, too.
func (a *adminAPI) AddTrustedPeer(url string) (bool, error) {
	node, err := enode.Parse(enode.ValidSchemes, url)
	if err != nil {
		return false, fmt.Errorf("add trusted peer: %w", err)
	}
	a.n.AddTrusted(node)
	return true, nil
}

// RemoveTrustedPeer is admin_removeTrustedPeer. A link stays.
func (a *adminAPI) RemoveTrustedPeer(node string) (bool, error) {
	id, err := namedNode(node)
	if err != nil {
		return false, err
	}
	a.n.RemoveTrusted(id)
	return true, nil
}

func namedNode(s string) (enode.ID, error) {
	t, err := bans.ParseTarget(s)
	if err != nil || t.Net.IsValid() {
		return enode.ID{}, fmt.Errorf("%q: want a node's URL, record or ID", s)
	}
	return t.ID, nil
}

// PeerEvents is the subscription peerEvents: who comes and goes, and why.
func (a *adminAPI) PeerEvents(ctx context.Context) (*rpc.Subscription, error) {
	notifier, ok := rpc.NotifierFromContext(ctx)
	if !ok {
		return nil, rpc.ErrNotificationsUnsupported
	}
	if err := a.n.ifRunning(func() {}); err != nil {
		return nil, err
	}
	sub := notifier.CreateSubscription()
	listening, cancel := context.WithCancel(context.Background())
	events := a.n.Subscribe(listening)
	a.n.rt.Go(a.n.pids.admin, func() {
		defer cancel()
		tellPeerEvents(notifier, sub, events)
	})
	return sub, nil
}

// tellPeerEvents goes on until the client or the node has enough. A client that does not
// read loses events, and then its connection.
func tellPeerEvents(to *rpc.Notifier, sub *rpc.Subscription, events <-chan Event) {
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return
			}
			if v, ok := peerEventOf(&e); ok && to.Notify(sub.ID, v) != nil {
				return
			}
		case <-sub.Err():
			return
		}
	}
}

// AddProtocol is admin_addProtocol: offer one of the protocols that the node knows.
func (a *adminAPI) AddProtocol(name string) (bool, error) {
	for _, s := range a.known() {
		if s.Name == name {
			if err := a.n.AddProtocol(s); err != nil {
				return false, err
			}
			return true, nil
		}
	}
	return false, fmt.Errorf("add protocol %q: %w; known are %s", name, ErrUnknownProtocol, strings.Join(a.names(), ", "))
}

// RemoveProtocol is admin_removeProtocol. All versions of a protocol go together; if one is
// named, by version or as name/version, it must be among them.
func (a *adminAPI) RemoveProtocol(name string, version *uint) (bool, error) {
	name, number, ok := strings.Cut(name, "/")
	if ok && version == nil {
		v, err := strconv.ParseUint(number, 10, 32)
		if err != nil {
			return false, fmt.Errorf("remove protocol %s: version %q is no number", name, number)
		}
		version = new(uint)
		*version = uint(v)
	}
	if m := a.n.offer.Load().Find(name); m != nil && version != nil {
		if v := protocolViewOf(&m.Spec, true, 0); !slices.Contains(v.Versions, *version) {
			return false, fmt.Errorf("remove protocol %s/%d: versions %v run", name, *version, v.Versions)
		}
	}
	if err := a.n.RemoveProtocol(name); err != nil {
		return false, err
	}
	return true, nil
}

// Protocols is admin_protocols: those that are offered, and those that could be.
func (a *adminAPI) Protocols() []protocolView {
	links := map[string]int{}
	for _, p := range a.n.Peers() {
		for name := range p.Protocols {
			links[name]++
		}
	}
	offered := map[string]bool{}
	var views []protocolView
	for _, m := range a.n.offer.Load().Mounted {
		offered[m.Spec.Name] = true
		views = append(views, protocolViewOf(&m.Spec, true, links[m.Spec.Name]))
	}
	for _, s := range a.known() {
		if !offered[s.Name] {
			views = append(views, protocolViewOf(&s, false, links[s.Name]))
		}
	}
	return views
}

// known are the protocols that can be added.
func (a *adminAPI) known() []protocols.Spec {
	return append(append([]protocols.Spec{}, a.n.cfg.Specs...), a.n.cfg.Admin.Available...)
}

func (a *adminAPI) names() []string {
	var names []string
	for _, s := range a.known() {
		names = append(names, s.Name)
	}
	return names
}

// Bans is admin_bans.
func (a *adminAPI) Bans() []bans.Ban { return append([]bans.Ban{}, a.n.Bans()...) }

// Ban is admin_ban: keep a node, an address or a network out, for a day unless a time
// is given.
func (a *adminAPI) Ban(target bans.Target, length *period, reason *string) (bool, error) {
	d, why := defaultBan, "by the operator"
	if length != nil {
		d = time.Duration(*length)
	}
	if reason != nil && *reason != "" {
		why = *reason
	}
	if err := a.n.Ban(target, d, why); err != nil {
		return false, err
	}
	return true, nil
}

// Unban is admin_unban: end a ban and forget what led to it. False: there was none.
func (a *adminAPI) Unban(target bans.Target) bool { return a.n.Unban(target) }

// Nat is admin_nat: how things stand with the router, and with hole punching.
func (a *adminAPI) Nat() (NATStatus, error) {
	s := a.n.natStatus()
	if s.Status.Since.IsZero() && s.HolePunching == nil {
		return s, ErrNoNAT
	}
	s.Written = a.n.rt.Clock.Now().UTC()
	return s, nil
}

// natStatus is how the node is reached now. Before Start it is zero.
func (n *Node) natStatus() record.NATStatus {
	return started(n, record.NATStatus{}, n.record.Status)
}

// netAPI is namespace net, as far as it means something for a node without a chain.
type netAPI struct{ n *Node }

// Listening is net_listening: whether others can connect.
func (a *netAPI) Listening() bool { return a.n.listenAddr() != "" }

// PeerCount is net_peerCount.
func (a *netAPI) PeerCount() hexutil.Uint { return hexutil.Uint(a.n.PeerCount()) }

// web3API is namespace web3.
type web3API struct{ n *Node }

// ClientVersion is web3_clientVersion: what the node calls itself.
func (a *web3API) ClientVersion() string { return a.n.cfg.Name }

// Sha3 is web3_sha3: the Keccak-256 hash.
func (a *web3API) Sha3(input hexutil.Bytes) hexutil.Bytes { return crypto.Keccak256(input) }
