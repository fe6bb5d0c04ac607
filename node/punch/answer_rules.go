package punch

import (
	"errors"
	"net/netip"
	"time"
)

// answerRules decides what this node does about a call of another node. It is a plain value without
// clock or network, like callRules.
type answerRules struct {
	ours       NAT
	canTCP     bool   // there is a listening port
	port       uint16 // the external TCP port; 0: not known yet
	portErr    error
	connecting bool
	err        error // how the call ended, after finish
}

// maxDelay is the longest delay until connecting that a caller gets.
const maxDelay = 3 * time.Second

// open handles the caller's OPEN, which came from an address. The answer goes back at once.
func (a *answerRules) open(msg open, from netip.Addr) (openAnswer, []any) {
	answer := openAnswer{Port: a.port, NAT: a.ours}
	at := netip.AddrPortFrom(from, msg.Port)
	if msg.NAT == AddressDependent {
		at = netip.AddrPortFrom(from, 0) // its NAT maps another port for this node
	}
	switch {
	case !a.canTCP || msg.Port == 0 && msg.NAT != AddressDependent:
		answer.Status = refused
	case a.ours == AddressDependent && msg.NAT != Open, msg.NAT == AddressDependent && a.ours != Open:
		answer.Status = tcpImpossible
	case a.connecting: // the previous answer was lost
	case a.portErr != nil:
		answer.Status = refused
	case a.port == 0:
		answer.Status = notReady
	default:
		a.connecting = true
		return answer, []any{connect{at, min(time.Duration(msg.Delay)*time.Millisecond, maxDelay)}}
	}
	return answer, nil
}

// learned records the external TCP port that a neighbour saw, or why none did.
func (a *answerRules) learned(port uint16, err error) { a.port, a.portErr = port, err }

// connected ends the call: with a connection, or with the reason why there is none.
func (a *answerRules) connected(err error) []any {
	if err != nil {
		err = errors.Join(ErrTCP, err)
	}
	a.err = err
	return []any{finish{err}}
}

// expired ends the call when its time is over. A caller that only wanted a UDP session sends no OPEN.
func (a *answerRules) expired() []any {
	a.err = ErrUDPOnly
	switch {
	case a.connecting: // connecting has its own timeout
		return nil
	case a.ours != AddressDependent && a.canTCP:
		a.err = ErrSilent
	}
	return []any{finish{a.err}}
}
