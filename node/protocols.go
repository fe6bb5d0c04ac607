package node

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/admin"
	"github.com/troupe-p2p/troupe/node/offer"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/node/record"
	"github.com/troupe-p2p/troupe/protocols"
)

// Errors of AddProtocol and RemoveProtocol.
var (
	ErrProtocolRuns = errors.New("a protocol of that name runs already")
	ErrNoProtocol   = errors.New("no protocol of that name runs")
)

// AddProtocol offers another protocol from now on. New links have it if the remote offers it
// too. Existing links keep the protocols that the two nodes agreed on, which RLPx can't
// change. To run it with a peer at once, end the link: RemovePeer, AddPeer.
//
// A wrong Spec is an error as for [New], and nothing changes. Other errors are
// [ErrProtocolRuns] and [ErrNotRunning].
func (n *Node) AddProtocol(spec protocols.Spec) error {
	added, err := protocols.Mount(spec)
	if err != nil {
		return fmt.Errorf("add protocol: %w", err)
	}
	m := added[0]
	n.offering.Lock()
	defer n.offering.Unlock()
	if err := n.addProtocol(m); err != nil {
		return fmt.Errorf("add protocol %s: %w", spec.Name, err)
	}
	n.cfg.Logger.Info("protocol added", "protocol", spec.Name)
	return nil
}

func (n *Node) addProtocol(m *protocols.Mounted) error {
	if err := n.ifRunning(func() {}); err != nil {
		return err
	}
	now := n.offer.Load()
	if now.Find(m.Spec.Name) != nil {
		return ErrProtocolRuns
	}
	next, err := n.nextOffer(append(slices.Clone(now.Mounted), m))
	if err != nil {
		return err
	}
	if err := n.startService(m); err != nil {
		return err
	}
	return n.ifRunning(func() { n.replaceOffer(next) })
}

// RemoveProtocol offers a protocol no more. A link that runs nothing else that the node still
// offers ends as 'useless peer'. Other links keep the protocol until they end: the two nodes
// have agreed on the message codes, and the link's other protocols should not be lost. The
// protocol's service ends when the last such link has ended. A protocol of that name, such as
// another version of it, may be added at once.
//
// A node may be left without any protocol. Then it has and seeks no peers until one is added.
// Errors: [ErrNoProtocol], [ErrNotRunning].
func (n *Node) RemoveProtocol(name string) error {
	n.offering.Lock()
	defer n.offering.Unlock()
	if err := n.removeProtocol(name); err != nil {
		return fmt.Errorf("remove protocol %s: %w", name, err)
	}
	n.cfg.Logger.Info("protocol removed", "protocol", name)
	return nil
}

func (n *Node) removeProtocol(name string) error {
	if err := n.ifRunning(func() {}); err != nil {
		return err
	}
	now := n.offer.Load()
	m := now.Find(name)
	if m == nil {
		return ErrNoProtocol
	}
	next, err := n.nextOffer(slices.DeleteFunc(slices.Clone(now.Mounted), func(other *protocols.Mounted) bool { return other == m }))
	if err != nil {
		return err
	}
	return n.ifRunning(func() {
		n.replaceOffer(next)
		n.rt.Send(n.pids.peers, &peers.DropProtocol{Mounted: m})
	})
}

// replaceOffer replaces what the node offers, and notifies the actors that announce it.
func (n *Node) replaceOffer(next *offer.Offer) {
	n.offer.Store(next)
	n.rt.Send(n.pids.announcer, &record.Due{})
	if n.adminSockets != nil {
		n.rt.Send(n.pids.admin, &admin.Changed{})
	}
}

// nextOffer makes an offer of these protocols, in place of the current one.
func (n *Node) nextOffer(mounted []*protocols.Mounted) (*offer.Offer, error) {
	if _, err := n.attributesOf(mounted); err != nil {
		return nil, err
	}
	if err := n.checkAPIs(mounted); err != nil {
		return nil, err
	}
	return offer.New(n.cfg.Key, n.cfg.Name, n.offer.Load().Hello.ListenPort, mounted)
}

// attributes returns what protocols and hole punching add to the record now.
func (n *Node) attributes() ([]enr.Entry, error) { return n.attributesOf(n.offer.Load().Mounted) }

// attributesOf returns what these protocols and hole punching add to the record. It returns an
// error if the record would be too large.
func (n *Node) attributesOf(mounted []*protocols.Mounted) ([]enr.Entry, error) {
	var list []enr.Entry
	for _, m := range mounted {
		if m.Spec.Attributes != nil {
			list = append(list, m.Spec.Attributes()...)
		}
	}
	if n.cfg.punches() {
		list = append(list, punch.NewEntry(n.record.Belief()))
	}
	if len(list) == 0 {
		return nil, nil
	}
	return list, record.CheckSize(n.cfg.Key, list)
}

// startService has the root start a protocol's service, and waits until it runs: a link that
// comes must find it.
func (n *Node) startService(m *protocols.Mounted) error {
	if !m.HasService() {
		return nil
	}
	n.placeService(m)
	started := make(chan error, 1)
	if err := n.ifRunning(func() { n.rt.Send(n.pids.root, &addService{mounted: m, started: started}) }); err != nil {
		return err
	}
	select {
	case err := <-started:
		return err
	case <-n.done:
		return ErrNotRunning
	}
}

// addService starts the service of a protocol that was added.
func (r *root) addService(ctx actor.Context, msg *addService) {
	err := ErrNotRunning
	defer func() { msg.started <- err }() // also if this crashes; the channel has room
	if r.tree.stopping {
		return
	}
	r.spawnService(ctx, msg.mounted)
	t := r.tree
	last := len(t.children) - 1
	service := t.children[last]
	before := slices.IndexFunc(t.children, func(c *actor.PID) bool { return supervise.Same(c, r.n.pids.peers) })
	t.children = slices.Insert(t.children[:last], before, service)
	err = nil
}

// dropService ends the service of a protocol that was removed.
func (r *root) dropService(ctx actor.Context, service *actor.PID) {
	r.tree.Release(service)
	ctx.Stop(service)
}

// servicePrefix begins the names of the services' actors. A number follows the protocol's
// name, because the protocol may be removed and added again. Logs leave the number out.
const servicePrefix = "service-"

// placeService chooses the PID of a protocol's service, below the root.
func (n *Node) placeService(m *protocols.Mounted) {
	if m.HasService() {
		name := servicePrefix + m.Spec.Name + n.rt.System.ProcessRegistry.NextId()
		m.ServeAt(n.rt.System.Root, n.rt.System.NewLocalPID(n.pids.root.Id+"/"+name))
	}
}

// spawnService starts a protocol's service, if it has one, before the actors that make links,
// so that it stops after them.
func (r *root) spawnService(ctx actor.Context, m *protocols.Mounted) {
	if pid := m.Service(); pid != nil {
		name := strings.TrimPrefix(pid.Id, ctx.Self().Id+"/")
		r.spawnAs(ctx, name, r.n.rt.Props(m.NewService), &supervise.ServicePolicy)
	}
}
