// Package offer has the protocols that a node offers at one time, as one immutable snapshot.
package offer

import (
	"crypto/ecdsa"
	"slices"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/wire"
)

// Offer is what the node offers at one time. A handshake makes its Hello from the current
// offer, and its link keeps that offer even if another one replaces it: the message codes
// follow from the two Hellos. An Offer is never changed, only replaced.
type Offer struct {
	Mounted   []*protocols.Mounted
	Protocols []actors.Protocol // of all of Mounted
	Hello     wire.Hello
}

// New makes an offer. port is the TCP port for the Hello, 0 before the node listens. It
// returns an error if the Hello can't be encoded.
func New(key *ecdsa.PrivateKey, name string, port uint64, mounted []*protocols.Mounted) (*Offer, error) {
	o := &Offer{Mounted: mounted, Hello: wire.Hello{
		Version: wire.BaseVersion, Name: name, ID: wire.PublicID(&key.PublicKey), ListenPort: port,
	}}
	for _, m := range mounted {
		o.Protocols = append(o.Protocols, m.Offers...)
	}
	for _, p := range o.Protocols {
		o.Hello.Caps = append(o.Hello.Caps, p.Cap())
	}
	_, err := o.Hello.Append(nil)
	return o, err
}

// Find returns the protocol with a name, nil if it is not offered.
func (o *Offer) Find(name string) *protocols.Mounted {
	for _, m := range o.Mounted {
		if m.Spec.Name == name {
			return m
		}
	}
	return nil
}

// Has reports whether m is part of the offer.
func (o *Offer) Has(m *protocols.Mounted) bool { return slices.Contains(o.Mounted, m) }

// Stands returns nil if a session that was made with this offer can still become a link,
// and [refusal.ErrProtocolRemoved] if a protocol that it would run is not part of now.
func (o *Offer) Stands(now *Offer, remote []wire.Cap) error {
	if o == now {
		return nil
	}
	for _, shared := range actors.Match(o.Protocols, remote) {
		if !now.Has(o.Find(shared.Name)) {
			return refusal.ErrProtocolRemoved
		}
	}
	return nil
}

// Shares reports whether a remote has any of the offered protocols.
func (o *Offer) Shares(remote []wire.Cap) bool { return len(actors.Match(o.Protocols, remote)) > 0 }

// Wanted returns a filter for nodes that discovery finds: whether one of the protocols can use
// the node. It returns nil if any node may be useful.
func (o *Offer) Wanted() func(*enode.Node) bool {
	for _, m := range o.Mounted {
		if m.Spec.Wants == nil {
			return nil
		}
	}
	return func(found *enode.Node) bool {
		for _, m := range o.Mounted {
			if m.Spec.Wants(found.Record()) {
				return true
			}
		}
		return false
	}
}
