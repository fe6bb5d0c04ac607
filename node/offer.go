package node

import (
	"crypto/ecdsa"
	"slices"
	"strings"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/wire"
)

// offer is what the node offers at one time. A handshake takes the one that there is for
// its Hello, and its link runs that one, whatever has come after it: message codes follow
// from what the two Hellos said. So an offer is never changed, but replaced by another.
type offer struct {
	mounted   []*protocols.Mounted
	protocols []actors.Protocol // of all of them
	hello     wire.Hello
}

// newOffer makes an offer; the Hello's port is known once the node listens.
func newOffer(key *ecdsa.PrivateKey, name string, port uint64, mounted []*protocols.Mounted) (*offer, error) {
	o := &offer{mounted: mounted, hello: wire.Hello{
		Version: wire.BaseVersion, Name: name, ID: idOf(&key.PublicKey), ListenPort: port,
	}}
	for _, m := range mounted {
		o.protocols = append(o.protocols, m.Offers...)
	}
	for _, p := range o.protocols {
		o.hello.Caps = append(o.hello.Caps, p.Cap())
	}
	_, err := o.hello.Append(nil)
	return o, err
}

// find gives the protocol of a name, nil if it is not offered.
func (o *offer) find(name string) *protocols.Mounted {
	for _, m := range o.mounted {
		if m.Spec.Name == name {
			return m
		}
	}
	return nil
}

func (o *offer) has(m *protocols.Mounted) bool { return slices.Contains(o.mounted, m) }

// stands says whether a session that came of this offer can still become a link: nothing
// that it would run was removed meanwhile.
func (o *offer) stands(now *offer, remote []wire.Cap) error {
	if o == now {
		return nil
	}
	for _, shared := range actors.Match(o.protocols, remote) {
		if !now.has(o.find(shared.Name)) {
			return refusal.ErrProtocolRemoved
		}
	}
	return nil
}

// shares says whether a remote has any of it.
func (o *offer) shares(remote []wire.Cap) bool { return len(actors.Match(o.protocols, remote)) > 0 }

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
