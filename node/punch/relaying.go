package punch

import (
	"net/netip"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// relay handles CALL: it rings the target, and returns the target's endpoint.
func (s *Service) relay(caller enode.ID, at netip.AddrPort, msg call, now time.Time) callAnswer {
	if len(msg.Padding) < callPadding {
		return callAnswer{Status: refused}
	}
	target := s.cfg.Line.Known(msg.Target)
	if target == nil || msg.Target == caller || msg.Target == s.cfg.ID {
		return callAnswer{Status: unknownNode}
	}
	where, ok := target.UDPEndpoint()
	if _, takes := Takes(target); !takes || !ok || !s.allowed(where) || s.refusesNode(msg.Target, where.Addr()) {
		return callAnswer{Status: unknownNode}
	}
	if !s.within(s.calls, caller, now) || !s.withinAt(s.callsAt, at.Addr(), now) || !s.beginRing(msg.Target) {
		return callAnswer{Status: overLimit}
	}
	defer s.endRing(msg.Target)
	if !s.within(s.rings, msg.Target, now) || !s.withinAt(s.ringsAt, where.Addr(), now) {
		return callAnswer{Status: overLimit}
	}
	s.relayed.Add(1)
	b, err := s.cfg.Line.Talk(target, Protocol, encodeRequest(ring{Caller: caller, Endpoint: endpoint{at}, Token: msg.Token}))
	if err != nil {
		return callAnswer{Status: notReady} // a datagram may have been lost
	}
	answer, err := decode[ringAnswer](b)
	switch {
	case err != nil:
		return callAnswer{Status: refused}
	case answer.Status != accepted:
		return callAnswer{Status: answer.Status}
	}
	return callAnswer{Status: accepted, Target: &endpoint{where}}
}

// beginRing reports whether one more ring at a node may wait for its answer, and counts it until endRing.
func (s *Service) beginRing(at enode.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.relaying >= maxRelaying || s.ringing[at] >= maxRinging {
		s.refused.Add(1)
		return false
	}
	s.relaying++
	s.ringing[at]++
	return true
}

func (s *Service) endRing(at enode.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.relaying--
	if s.ringing[at]--; s.ringing[at] == 0 {
		delete(s.ringing, at)
	}
}
