package node

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/admin"
	"github.com/troupe-p2p/troupe/node/offer"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/wire"
)

// Errors of AddProtocol and RemoveProtocol.
var (
	ErrProtocolRuns = errors.New("a protocol of that name runs already")
	ErrNoProtocol   = errors.New("no protocol of that name runs")
)

// AddProtocol offers another protocol from now on. Links that come have it if the remote
// does; those that are there keep what the two nodes agreed on, which RLPx can't change. Of
// a peer that is to have it at once, end the link: RemovePeer, AddPeer.
//
// What is wrong with the Spec is an error as for [New], and nothing changes then. Others are
// [ErrProtocolRuns] and [ErrNotRunning].
func (n *Node) AddProtocol(spec protocols.Spec) error {
	added, err := protocols.Mount(spec)
	if err != nil {
		return fmt.Errorf("add protocol: %w", err)
	}
	m := added[0]
	n.offering.Lock()
	defer n.offering.Unlock()
	if err := n.tell(func() {}); err != nil {
		return fmt.Errorf("add protocol %s: %w", spec.Name, err)
	}
	now := n.offer.Load()
	if now.Find(spec.Name) != nil {
		return fmt.Errorf("add protocol %s: %w", spec.Name, ErrProtocolRuns)
	}
	next, err := n.nextOffer(append(slices.Clone(now.Mounted), m))
	if err != nil {
		return fmt.Errorf("add protocol %s: %w", spec.Name, err)
	}
	if err := n.startService(m); err != nil {
		return fmt.Errorf("add protocol %s: %w", spec.Name, err)
	}
	if err := n.tell(func() { n.offer.Store(next) }, n.offerNews()...); err != nil {
		return fmt.Errorf("add protocol %s: %w", spec.Name, err)
	}
	n.log.Info("protocol added", "protocol", spec.Name)
	return nil
}

// RemoveProtocol offers a protocol no more. A link that runs nothing else which the node
// still offers ends as 'useless peer'. Others go on, with that protocol, until they end: the
// remote counts on the message codes that were agreed on, and the link's other protocols
// have done nothing to lose it. The protocol's service goes when the last such link has
// gone. A protocol of that name, such as another version of it, may be added at once.
//
// A node may be left without any protocol; then it has and seeks no peers until one is
// added. Errors: [ErrNoProtocol], [ErrNotRunning].
func (n *Node) RemoveProtocol(name string) error {
	n.offering.Lock()
	defer n.offering.Unlock()
	if err := n.tell(func() {}); err != nil {
		return fmt.Errorf("remove protocol %s: %w", name, err)
	}
	now := n.offer.Load()
	m := now.Find(name)
	if m == nil {
		return fmt.Errorf("remove protocol %s: %w", name, ErrNoProtocol)
	}
	next, err := n.nextOffer(slices.DeleteFunc(slices.Clone(now.Mounted), func(other *protocols.Mounted) bool { return other == m }))
	if err != nil {
		return fmt.Errorf("remove protocol %s: %w", name, err)
	}
	if err := n.tell(func() { n.offer.Store(next) }, append(n.offerNews(), send{&n.peers, &dropProtocol{mounted: m}})...); err != nil {
		return fmt.Errorf("remove protocol %s: %w", name, err)
	}
	n.log.Info("protocol removed", "protocol", name)
	return nil
}

// offerNews goes to those who tell others what the node offers.
func (n *Node) offerNews() []send {
	news := []send{{&n.announcer, &recordDue{}}}
	if n.sockets != nil {
		news = append(news, send{&n.admin, &admin.Changed{}})
	}
	return news
}

// nextOffer makes an offer to take the place of the one that there is.
func (n *Node) nextOffer(mounted []*protocols.Mounted) (*offer.Offer, error) {
	if _, err := n.attributesOf(mounted); err != nil {
		return nil, err
	}
	if err := n.checkAPIs(mounted); err != nil {
		return nil, err
	}
	return offer.New(n.key, n.cfg.Name, n.offer.Load().Hello.ListenPort, mounted)
}

// startService has the root start a protocol's service, and waits for that: a link that
// comes must find it.
func (n *Node) startService(m *protocols.Mounted) error {
	if !m.HasService() {
		return nil
	}
	n.placeService(m, n.root.Id)
	started := make(chan error, 1)
	if err := n.tell(func() {}, send{&n.root, &addService{mounted: m, started: started}}); err != nil {
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
	defer func() { msg.started <- err }() // also if this crashes; it holds one
	if r.tree.stopping {
		return
	}
	r.spawnService(ctx, msg.mounted)
	t := r.tree
	last := len(t.children) - 1
	service := t.children[last]
	before := slices.IndexFunc(t.children, func(c *actor.PID) bool { return same(c, r.n.peers) })
	t.children = slices.Insert(t.children[:last], before, service)
	err = nil
}

// dropService ends the service of a protocol that was removed.
func (r *root) dropService(ctx actor.Context, service *actor.PID) {
	r.tree.Release(service)
	ctx.Stop(service)
}

// dropProtocol ends the links that have nothing left, after a protocol was removed. None
// that runs it comes any more: peers settles no such one.
func (p *peers) dropProtocol(ctx actor.Context, removed *protocols.Mounted) {
	now := p.n.offer.Load()
	for _, m := range p.n.roster.snapshot() {
		if m.offer.Find(removed.Spec.Name) == removed && m.link.Host(removed.Spec.Name) != nil && !m.serves(now) {
			m.link.Disconnect(wire.DiscUselessPeer, refusal.ErrProtocolRemoved)
		}
	}
	if service := removed.Service(); service != nil {
		root, to := ctx.ActorSystem().Root, p.n.root
		removed.Retire(func() { supervise.Send(root, to, &serviceUnused{service: service}) })
	}
}

// serves says whether a link runs anything that the node offers now.
func (m *member) serves(now *offer.Offer) bool {
	for _, c := range m.link.Caps() {
		if now.Has(m.offer.Find(c.Name)) {
			return true
		}
	}
	return false
}

// servicePrefix begins the names of the services' actors. A number follows that of the
// protocol, which logs leave out: it may be removed and come again.
const servicePrefix = "service-"

// placeService says where below the root a protocol's service is going to live.
func (n *Node) placeService(m *protocols.Mounted, root string) {
	if m.HasService() {
		name := servicePrefix + m.Spec.Name + n.rt.System.ProcessRegistry.NextId()
		m.ServeAt(n.rt.System.Root, n.rt.System.NewLocalPID(root+"/"+name))
	}
}

// spawnService starts a protocol's service, if it has one, before the actors by which links
// come, so that it stops after them.
func (r *root) spawnService(ctx actor.Context, m *protocols.Mounted) {
	if pid := m.Service(); pid != nil {
		name := strings.TrimPrefix(pid.Id, ctx.Self().Id+"/")
		r.spawnAs(ctx, name, r.n.rt.Props(m.NewService), &supervise.ServicePolicy)
	}
}
