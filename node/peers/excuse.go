package peers

import (
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/wire"
)

// dueToSilence reports whether a link may have ended because this node was silent and deaf for a
// time: the remote hung up, or the connection is gone.
func dueToSilence(c *actors.Cause) bool {
	switch {
	case c == nil || c.Stack != nil:
		return false
	case c.Side == actors.Local:
		return c.Reason == wire.DiscReadTimeout
	case c.Side == actors.Remote:
		return c.Reason != wire.DiscTooManyPeers && c.Reason != wire.DiscAlreadyConnected
	}
	return true
}

// dialed returns the node as it was dialed, nil if it dialed this node or was reached through NATs.
func (m *Member) dialed() *enode.Node {
	if m.Inbound || m.Punched {
		return nil
	}
	id := m.Link.RemoteID()
	key, err := crypto.UnmarshalPubkey(append([]byte{4}, id[:]...))
	at := netaddr.Of(m.Link.RemoteAddr())
	if err != nil || !at.IsValid() {
		return nil // a connection without an IP address
	}
	return enode.NewV4(key, at.Addr().AsSlice(), int(at.Port()), 0)
}
