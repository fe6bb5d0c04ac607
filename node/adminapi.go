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
	// ErrUnknownProtocol: the node knows no protocol of that name.
	ErrUnknownProtocol = errors.New("no such protocol")
	// ErrNoNAT: port mapping and hole punching are disabled, or have no result yet.
	ErrNoNAT = errors.New("no NAT information: port mapping and hole punching are disabled or have not finished")
)

// defaultBan is how long a ban lasts if the caller gives no time.
const defaultBan = 24 * time.Hour

// adminAPI is namespace admin. Ban and Unban wait for the disk, by way of the bans actor. Its
// other methods wait for no actor.
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

// Datadir is admin_datadir. The path is absolute, because the caller may run in another
// working directory.
func (a *adminAPI) Datadir() (string, error) {
	if a.n.cfg.DataDir == "" {
		return "", nil
	}
	return filepath.Abs(a.n.cfg.DataDir)
}

// AddPeer is admin_addPeer: it keeps a link to the node.
func (a *adminAPI) AddPeer(url string) (bool, error) {
	node, err := enode.Parse(enode.ValidSchemes, url)
	if err != nil {
		return false, fmt.Errorf("add peer: %w", err)
	}
	if err := a.n.AddPeer(node); err != nil {
		return false, err
	}
	return true, nil
}

// RemovePeer is admin_removePeer: it ends the link to a node, which is no longer dialed. A
// node is given as its URL, its record or its ID.
func (a *adminAPI) RemovePeer(node string) (bool, error) {
	id, err := a.namedNode(node)
	if err != nil {
		return false, err
	}
	if err := a.n.RemovePeer(id); err != nil {
		return false, err
	}
	return true, nil
}

// AddTrustedPeer is admin_addTrustedPeer: it admits a node even beyond the limit. No address is
// needed, because the node is not dialed.
func (a *adminAPI) AddTrustedPeer(node string) (bool, error) {
	var err error
	if url, invalid := enode.Parse(enode.ValidSchemes, node); invalid == nil {
		err = a.n.addTrusted(url)
	} else if id, unknown := a.namedNode(node); unknown == nil {
		err = a.n.addTrustedID(id)
	} else {
		err = unknown
	}
	if err != nil {
		return false, fmt.Errorf("add trusted peer %s: %w", node, err)
	}
	return true, nil
}

// RemoveTrustedPeer is admin_removeTrustedPeer. An existing link stays.
func (a *adminAPI) RemoveTrustedPeer(node string) (bool, error) {
	id, err := a.namedNode(node)
	if err != nil {
		return false, err
	}
	a.n.RemoveTrusted(id)
	return true, nil
}

// namedNode returns the ID of the node that an operator names.
func (a *adminAPI) namedNode(s string) (enode.ID, error) {
	t, err := a.target(s)
	switch {
	case errors.Is(err, errAmbiguous):
		return enode.ID{}, err
	case err != nil || t.Net.IsValid():
		return enode.ID{}, fmt.Errorf("%q: want a node's URL, record or ID", s)
	}
	return t.ID, nil
}

// target returns what an operator names: a node, also by the beginning of a peer's ID as lists and
// the log show it, an address or a network.
func (a *adminAPI) target(s string) (bans.Target, error) {
	t, err := bans.ParseTarget(s)
	if err == nil || !isPrefix(s) {
		return t, err
	}
	var found []enode.ID
	for _, p := range a.n.Peers() {
		if strings.HasPrefix(p.ID.String(), strings.ToLower(s)) {
			found = append(found, p.ID)
		}
	}
	for _, b := range a.n.Bans() {
		if id := b.Target.ID; !b.Target.Net.IsValid() && strings.HasPrefix(id.String(), strings.ToLower(s)) && !slices.Contains(found, id) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
		return t, fmt.Errorf("%s: no peer and no banned node has an ID that begins so", s)
	case 1:
		return bans.ByID(found[0]), nil
	}
	return t, fmt.Errorf("%s: %w: %v and %v", s, errAmbiguous, found[0], found[1])
}

var errAmbiguous = errors.New("several IDs begin so")

// isPrefix reports whether s can be the beginning of an ID.
func isPrefix(s string) bool {
	return len(s) >= 4 && len(s) < 2*len(enode.ID{}) && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

// PeerEvents is the subscription peerEvents: new links, ended links, and connections that
// became no link, with the reasons.
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
		sendPeerEvents(notifier, sub, events)
	})
	return sub, nil
}

// sendPeerEvents sends events until the subscription or the node ends. A client that does not
// read loses events, and later its connection.
func sendPeerEvents(to *rpc.Notifier, sub *rpc.Subscription, events <-chan Event) {
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

// AddProtocol is admin_addProtocol: it offers one of the protocols that the node knows.
func (a *adminAPI) AddProtocol(name string) (bool, error) {
	for _, s := range a.known() {
		if s.Name == name {
			if err := a.n.AddProtocol(s); err != nil {
				return false, err
			}
			return true, nil
		}
	}
	return false, fmt.Errorf("add protocol %q: %w; known protocols: %s", name, ErrUnknownProtocol, strings.Join(a.names(), ", "))
}

// RemoveProtocol is admin_removeProtocol. It removes all versions of a protocol. If the caller
// gives a version, separately or as name/version, it must be one of them.
func (a *adminAPI) RemoveProtocol(name string, version *uint) (bool, error) {
	name, number, ok := strings.Cut(name, "/")
	if ok && version == nil {
		v, err := strconv.ParseUint(number, 10, 32)
		if err != nil {
			return false, fmt.Errorf("remove protocol %s: version %q is not a number", name, number)
		}
		version = new(uint)
		*version = uint(v)
	}
	if m := a.n.offer.Load().Find(name); m != nil && version != nil {
		if v := protocolViewOf(&m.Spec, true, 0); !slices.Contains(v.Versions, *version) {
			return false, fmt.Errorf("remove protocol %s/%d: no such version; offered versions: %v", name, *version, v.Versions)
		}
	}
	if err := a.n.RemoveProtocol(name); err != nil {
		return false, err
	}
	return true, nil
}

// Protocols is admin_protocols: the protocols that are offered, and those that can be added.
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

// known lists the protocols that the node is configured with. Those that are not offered can
// be added.
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

// Ban is admin_ban: it bans a node, an address or a network. The default time is a day.
func (a *adminAPI) Ban(named string, length *period, reason *string) (bool, error) {
	target, err := a.target(named)
	if err != nil {
		return false, err
	}
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

// Unban is admin_unban: it ends a ban and clears the penalties that led to it. It returns
// false if there was no ban.
func (a *adminAPI) Unban(named string) (bool, error) {
	target, err := a.target(named)
	if err != nil {
		return false, err
	}
	return a.n.LiftBan(target)
}

// Nat is admin_nat: the state of port mapping and of hole punching.
func (a *adminAPI) Nat() (NATStatus, error) {
	s := a.n.natStatus()
	if s.Status.Since.IsZero() && s.HolePunching == nil {
		return s, ErrNoNAT
	}
	s.Written = a.n.rt.Clock.Now().UTC()
	return s, nil
}

// natStatus returns how other nodes reach the node now. Before Start it is zero.
func (n *Node) natStatus() record.NATStatus {
	return started(n, record.NATStatus{}, n.record.Status)
}

// netAPI is namespace net, without the methods that need a chain.
type netAPI struct{ n *Node }

// Listening is net_listening: whether the node accepts connections.
func (a *netAPI) Listening() bool { return a.n.listenAddr() != "" }

// PeerCount is net_peerCount.
func (a *netAPI) PeerCount() hexutil.Uint { return hexutil.Uint(a.n.PeerCount()) }

// web3API is namespace web3.
type web3API struct{ n *Node }

// ClientVersion is web3_clientVersion: the node's client name.
func (a *web3API) ClientVersion() string { return a.n.cfg.Name }

// Sha3 is web3_sha3: the Keccak-256 hash.
func (a *web3API) Sha3(input hexutil.Bytes) hexutil.Bytes { return crypto.Keccak256(input) }
