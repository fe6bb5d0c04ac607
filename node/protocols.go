package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/admin"
	"github.com/troupe-p2p/troupe/node/datadir"
	"github.com/troupe-p2p/troupe/node/offer"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/node/record"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/wire"
)

// Errors of AddProtocol and RemoveProtocol.
var (
	ErrProtocolRuns = errors.New("a protocol of that name runs already")
	ErrNoProtocol   = errors.New("no protocol of that name runs")
	// ErrProtocolEnding is the error of Env.Dir for a protocol that was removed and is added
	// again, while a link runs the removed one or its service stops.
	ErrProtocolEnding = errors.New("a removed protocol of that name has not ended")
)

// AddProtocol offers another protocol from now on. New links have it if the remote offers it
// too. Existing links keep the protocols that the two nodes agreed on, which RLPx can't
// change. To run it with a peer at once, end the link: RemovePeer, AddPeer.
//
// A wrong Spec is an error as for [New], and nothing changes. Other errors are
// [ErrProtocolRuns], [ErrNotRunning], and those of the Spec's Provision.
func (n *Node) AddProtocol(spec protocols.Spec) error {
	added, err := protocols.Mount(spec)
	if err != nil {
		return fmt.Errorf("add protocol: %w", err)
	}
	if err := n.addProtocol(added[0]); err != nil {
		return fmt.Errorf("add protocol %s: %w", spec.Name, err)
	}
	n.cfg.Logger.Info("protocol added", "protocol", spec.Name)
	return nil
}

func (n *Node) addProtocol(m *protocols.Mounted) error {
	if err := n.ifRunning(func() {}); err != nil {
		return err
	}
	if !n.services.reserve(m.Spec.Name) {
		return ErrProtocolRuns
	}
	defer n.services.unreserve(m.Spec.Name)
	if n.offer.Load().Find(m.Spec.Name) != nil {
		return ErrProtocolRuns
	}
	// Without the lock: it may take long, and may call methods of the node.
	if err := n.provision(n.life.ctx, m); err != nil {
		return err
	}
	served := false
	defer func() {
		if !served { // no service runs that would clean up
			n.cleanup(m)
		}
	}()
	n.offering.Lock()
	defer n.offering.Unlock()
	next, err := n.nextOffer(append(slices.Clone(n.offer.Load().Mounted), m))
	if err != nil {
		return err
	}
	if err := n.startService(m); err != nil {
		return err
	}
	served = true
	return n.ifRunning(func() { n.replaceOffer(next) })
}

// provision prepares a protocol for its run. If its service is not started after that, cleanup
// must be called. ctx is for the preparation alone.
func (n *Node) provision(ctx context.Context, m *protocols.Mounted) error {
	var dir func() (string, error)
	if n.cfg.DataDir != "" {
		dir = func() (string, error) {
			if err := n.services.claimDir(m); err != nil {
				return "", err
			}
			dir := datadir.ProtocolDir(n.cfg.DataDir, m.Spec.Name)
			err := datadir.Make(dir)
			if datadir.Unwritable(err) {
				n.cfg.Logger.Warn("protocol kept in memory only: its directory can't be made", "protocol", m.Spec.Name, "err", err)
				return "", nil
			}
			return dir, err
		}
	}
	env := protocols.NewEnv(dir)
	id := wire.PublicID(&n.cfg.Key.PublicKey)
	env.ID = hex.EncodeToString(id[:])
	env.Logger, env.Clock = n.cfg.Logger.With("protocol", m.Spec.Name), n.rt.Clock
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := m.Provision(ctx, env)
	if err != nil {
		n.services.remove(m)
	}
	return err
}

// cleanup undoes provision.
func (n *Node) cleanup(m *protocols.Mounted) {
	m.Cleanup()
	n.services.remove(m)
}

// RemoveProtocol offers a protocol no more. A link that runs nothing else that the node still
// offers ends as 'useless peer'. Other links keep the protocol until they end: the two nodes
// have agreed on the message codes, and the link's other protocols should not be lost. The
// protocol's service ends when the last such link has ended, and has as much time to stop as
// when the node stops. A protocol of that name, such as another version of it, may be added at
// once.
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

// provisionAll prepares the protocols of a node that starts.
func (n *Node) provisionAll(ctx context.Context) error {
	mounted := n.offer.Load().Mounted
	for _, m := range mounted {
		if err := n.provision(ctx, m); err != nil {
			return fmt.Errorf("node start: %w", err)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("node start: %w", context.Cause(ctx))
		}
	}
	if _, err := n.attributesOf(mounted); err != nil {
		return fmt.Errorf("node start: %w", err)
	}
	return nil
}

// attributes returns what protocols and hole punching add to the record now.
func (n *Node) attributes() ([]enr.Entry, error) { return n.attributesOf(n.offer.Load().Mounted) }

// attributesOf returns what these protocols and hole punching add to the record. It returns an
// error if the record would be too large.
func (n *Node) attributesOf(mounted []*protocols.Mounted) ([]enr.Entry, error) {
	var list []enr.Entry
	for _, m := range mounted {
		entries, err := m.Attributes()
		if err != nil {
			return nil, err
		}
		list = append(list, entries...)
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
	n.services.add(m)
	started := make(chan error, 1)
	err := n.ifRunning(func() { n.rt.Send(n.pids.root, &addService{mounted: m, started: started}) })
	if err == nil {
		select {
		case err = <-started:
		case <-n.life.done:
			select {
			case err = <-started:
			default:
				err = ErrNotRunning
			}
		}
	}
	return err
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
	before := slices.IndexFunc(t.children, func(c *child) bool { return supervise.Same(c.pid, r.n.pids.peers) })
	t.children = slices.Insert(t.children[:last], before, service)
	err = nil
}

// dropService stops the service of a protocol that was removed.
func (r *root) dropService(ctx actor.Context, service *actor.PID) {
	if c := r.tree.find(service); c != nil {
		r.stopChild(ctx, c)
	}
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
		r.spawnAs(ctx, name, r.n.rt.Props(m.NewService), &supervise.ServicePolicy).service = m
	}
}

// services are the protocols whose services run or are about to, those of removed protocols
// included, until the service's actor has stopped.
type services struct {
	mu   sync.Mutex
	list []*protocols.Mounted
	dirs map[string]*protocols.Mounted // which of them uses the directory of a protocol, by name
	// adding has the names of the protocols that are being added.
	adding map[string]bool
}

// reserve returns false if a protocol of that name is being added. Otherwise unreserve must
// follow.
func (s *services) reserve(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.adding[name] {
		return false
	}
	if s.adding == nil {
		s.adding = map[string]bool{}
	}
	s.adding[name] = true
	return true
}

func (s *services) unreserve(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.adding, name)
}

func (s *services) add(m *protocols.Mounted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, m)
}

func (s *services) remove(m *protocols.Mounted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = slices.DeleteFunc(s.list, func(other *protocols.Mounted) bool { return other == m })
	if s.dirs[m.Spec.Name] == m {
		delete(s.dirs, m.Spec.Name)
	}
}

// claimDir gives m the directory of its name until its service has stopped.
func (s *services) claimDir(m *protocols.Mounted) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if user := s.dirs[m.Spec.Name]; user != nil && user != m {
		return ErrProtocolEnding
	}
	if s.dirs == nil {
		s.dirs = map[string]*protocols.Mounted{}
	}
	s.dirs[m.Spec.Name] = m
	return nil
}

// StopTimeout is the longest time that a Spec whose service runs asks for, for the service to
// stop (protocols.Spec.StopTimeout). It is 0 if no Spec asks. A program that bounds
// [Node.Stop] adds it to the time that it gives the node itself, for which 4.5 s are enough.
func (n *Node) StopTimeout() time.Duration {
	n.services.mu.Lock()
	defer n.services.mu.Unlock()
	var longest time.Duration
	for _, m := range n.services.list {
		longest = max(longest, m.Spec.StopTimeout)
	}
	return longest
}
