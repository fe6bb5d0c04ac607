package punch

import (
	"net/netip"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// relay rings a node for another, and tells where it is.
func (d *Desk) relay(caller enode.ID, at netip.AddrPort, msg call, now time.Time) callAnswer {
	if len(msg.Padding) < callPadding {
		return callAnswer{Status: refused}
	}
	target := d.cfg.Line.Known(msg.Target)
	if target == nil || msg.Target == caller || msg.Target == d.cfg.ID {
		return callAnswer{Status: unknownNode}
	}
	where, ok := target.UDPEndpoint()
	if _, takes := Takes(target); !takes || !ok || !d.allowed(where) || d.refuses(msg.Target, where.Addr()) {
		return callAnswer{Status: unknownNode}
	}
	if !d.may(d.calls, caller, now) || !d.mayAt(d.callsAt, at.Addr(), now) || !d.beginRing(msg.Target) {
		return callAnswer{Status: tooMuch}
	}
	defer d.endRing(msg.Target)
	if !d.may(d.rings, msg.Target, now) || !d.mayAt(d.ringsAt, where.Addr(), now) {
		return callAnswer{Status: tooMuch}
	}
	d.relayed.Add(1)
	b, err := d.cfg.Line.Talk(target, Protocol, encodeRequest(ring{Caller: caller, Endpoint: endpoint{at}, Token: msg.Token}))
	if err != nil {
		return callAnswer{Status: notReady} // a datagram may be lost
	}
	answer, err := decode[ringAnswer](b)
	switch {
	case err != nil:
		return callAnswer{Status: refused}
	case answer.Status != yes:
		return callAnswer{Status: answer.Status}
	}
	return callAnswer{Status: yes, Target: &endpoint{where}}
}

// beginRing says whether one more ring may be under way, at a node.
func (d *Desk) beginRing(at enode.ID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.relaying >= maxRelaying || d.ringing[at] >= maxRinging {
		d.refused.Add(1)
		return false
	}
	d.relaying++
	d.ringing[at]++
	return true
}

func (d *Desk) endRing(at enode.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.relaying--
	if d.ringing[at]--; d.ringing[at] == 0 {
		delete(d.ringing, at)
	}
}
