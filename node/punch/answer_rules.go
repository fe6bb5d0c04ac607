package punch

import (
	"errors"
	"net/netip"
	"time"
)

// answerer is what our side does of a call that another node makes. It is a plain value,
// like caller.
type answerRules struct {
	ours       NAT
	canTCP     bool   // there is a listening port
	port       uint16 // our external TCP port; 0: not known yet
	portErr    error
	connecting bool
	err        error // how it ended, once finish was said
}

// maxDelay is how late a caller may want to connect.
const maxDelay = 3 * time.Second

// open: the caller wants to connect, and has sent that from an address. The answer goes back
// at once.
func (a *answerRules) open(msg open, from netip.Addr) (openAnswer, []any) {
	answer := openAnswer{Port: a.port, NAT: a.ours}
	at := netip.AddrPortFrom(from, msg.Port)
	if msg.NAT == AddressDependent {
		at = netip.AddrPortFrom(from, 0) // its port is for ours alone
	}
	switch {
	case !a.canTCP || msg.Port == 0 && msg.NAT != AddressDependent:
		answer.Status = refused
	case a.ours == AddressDependent && msg.NAT != Open, msg.NAT == AddressDependent && a.ours != Open:
		answer.Status = tcpImpossible
	case a.connecting: // the answer before was lost
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

// learned: a neighbour has seen our TCP port, or err says why not.
func (a *answerRules) learned(port uint16, err error) { a.port, a.portErr = port, err }

// met: there is a connection, or err says why not.
func (a *answerRules) connected(err error) []any {
	if err != nil {
		err = errors.Join(ErrTCP, err)
	}
	a.err = err
	return []any{finish{err}}
}

// expired: the caller had time enough. Who only wanted a session by UDP sends no OPEN.
func (a *answerRules) expired() []any {
	a.err = ErrUDPOnly
	switch {
	case a.connecting: // which comes to its end by itself
		return nil
	case a.ours != AddressDependent && a.canTCP:
		a.err = ErrSilent
	}
	return []any{finish{a.err}}
}
