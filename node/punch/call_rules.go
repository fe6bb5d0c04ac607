package punch

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

const (
	// callTime is what a call may take until both sides connect.
	callTimeout = 12 * time.Second
	// rounds is how often the neighbours are asked, and roundsMapped where one side maps by
	// address: then it is likely that nothing helps.
	maxRounds, maxRoundsMapped = 6, 3
	// pings is how often discovery is tried after one ring: what opened the NATs lasts. Where one
	// side maps by address, this is so for the first ring only.
	maxPings = 2
	// opens is how many OPENs in a row may go without an answer.
	maxOpens = 5
	// blanks is how often neighbours are asked again of which none knows the target, and blankTime the
	// pause before: a table may have dropped a node for a lost ping, and has it again with
	// its next HELLO.
	maxUnknownRounds, unknownPause = 4, 2 * time.Second
	// againTime is the pause before the next round, and before an OPEN is sent again that came too early.
	retryPause = 300 * time.Millisecond
	// meetDelay is from the answer to OPEN until both connect: longer than most round trips, so
	// that neither side is late.
	connectDelay = 300 * time.Millisecond
	// connectTime is how long both try: a lost SYN goes out again after 1, 3 and 7 s.
	connectTimeout = 8 * time.Second
)

// caller is what our side of a call does next. It is a plain value: it is told what happened,
// and says what to do.
type callRules struct {
	ours, theirs NAT
	relays       []*enode.Node  // to be asked, in this order; ours to change
	record       netip.AddrPort // where the target is by its record; may not be valid
	canTCP       bool           // there is a listening port

	phase         phase
	round         int
	next          int  // of relays
	undecided     bool // a relay of this round may know the target, but didn't say yes
	unknown       bool // a relay of this round doesn't know it
	unknownRounds int  // rounds in which none did
	rung          int  // how often the target opened its NAT, as a relay says
	target        netip.AddrPort
	openerFrom    netip.AddrPort // where its last opener came from
	pinged        netip.AddrPort
	pings         int
	opens         int
	port          uint16 // our external TCP port; 0: not known yet
	portErr       error
	openWaits     bool // OPEN is due as soon as port is known
	err           error
}

type phase uint8

const (
	ringing phase = iota
	pinging
	opening // the UDP session is there
	connecting
	over
)

// What a caller wants done. What comes of it is told by the method of that name.
type (
	sendOpener struct{ to netip.AddrPort }
	callBy     struct{ relay *enode.Node } // called
	ping       struct{ at netip.AddrPort } // pong
	pause      struct{ d time.Duration }   // paused
	askOpen    struct {                    // opened
		at  netip.AddrPort
		msg open
	}
	connect struct { // met
		at    netip.AddrPort // with port 0: wait for it to connect
		after time.Duration
	}
	finish struct{ err error } // without an err, met has brought a connection
)

// begin starts the first round.
func (c *callRules) begin() []any {
	if c.ours == AddressDependent && c.theirs == AddressDependent {
		return c.end(ErrImpossible)
	}
	return c.nextRound(nil)
}

// anew starts a round, with an opener ahead, which lets the target's own in.
func (c *callRules) nextRound(why error) []any {
	most := maxRounds
	if c.mapped() {
		most = maxRoundsMapped
	}
	if c.round == most {
		return c.abort(why)
	}
	c.round++
	c.phase, c.next, c.undecided, c.unknown, c.pings = ringing, 0, false, false, 0
	where := c.record
	if c.target.IsValid() {
		where = c.target
	}
	var todo []any
	if where.IsValid() {
		todo = append(todo, sendOpener{where})
	}
	return append(todo, c.askRelay()...)
}

// mapped says whether one side maps by address.
func (c *callRules) mapped() bool { return c.ours == AddressDependent || c.theirs == AddressDependent }

// ask asks the next relay.
func (c *callRules) askRelay() []any {
	if c.next < len(c.relays) {
		c.next++
		return []any{callBy{c.relays[c.next-1]}}
	}
	switch {
	case c.undecided:
		return []any{pause{retryPause}}
	case c.unknown && c.unknownRounds < maxUnknownRounds:
		c.unknownRounds++
		c.round-- // nothing was tried
		return []any{pause{unknownPause}}
	}
	return c.end(ErrNoNeighbour)
}

// giveUp ends a call that had its rounds.
func (c *callRules) abort(why error) []any {
	switch {
	case c.rung == 0 && why != nil:
		return c.end(why)
	case c.rung == 0:
		return c.end(ErrNoNeighbour)
	case c.mapped():
		return c.end(ErrFiltered)
	}
	return c.end(ErrSilent)
}

// called: a relay has answered, or err says why not.
func (c *callRules) called(s status, target netip.AddrPort, err error) []any {
	if c.phase != ringing {
		return nil
	}
	switch {
	case err == nil && s == accepted && target.IsValid():
		c.rung++
		c.target = target
		c.reorderRelays()
		return c.pingTarget()
	case err != nil && !errors.Is(err, ErrUnsupported), s == overLimit, s == notReady:
		c.undecided = true
	case err == nil && s == unknownNode:
		c.unknown = true
	}
	return c.askRelay()
}

// prefer orders the relays for the next round, after the one that was asked last has said yes. It knows
// the target, so it is asked once more before the others. Then it had its chance: it may have rung
// nobody. Those that it was asked after are of no use.
func (c *callRules) reorderRelays() {
	vain, by, unasked := c.relays[:c.next-1], c.relays[c.next-1:c.next], c.relays[c.next:]
	if c.round%2 == 1 {
		c.relays = slices.Concat(by, unasked, vain)
	} else {
		c.relays = slices.Concat(unasked, by, vain)
	}
}

// try pings the target where its opener came from, or else where the relay sees it.
func (c *callRules) pingTarget() []any {
	c.phase, c.pinged = pinging, c.target
	if c.openerFrom.IsValid() {
		c.pinged = c.openerFrom
	}
	c.pings++
	return []any{ping{c.pinged}}
}

// heard: the target's opener came.
func (c *callRules) openerReceived(from netip.AddrPort) {
	if c.phase < opening {
		c.openerFrom = from
	}
}

// pong: discovery has a session with the target, or err says why not.
func (c *callRules) pong(err error) []any {
	switch {
	case c.phase != pinging:
		return nil
	case err == nil:
		c.phase = opening
		return c.requestOpen()
	case c.pings < maxPings && !(c.mapped() && c.round > 1), c.openerFrom.IsValid() && c.openerFrom != c.pinged:
		return c.pingTarget()
	}
	c.openerFrom = netip.AddrPort{} // it led nowhere
	return c.nextRound(ErrSilent)
}

// paused: the pause is over.
func (c *callRules) pauseOver() []any {
	switch c.phase {
	case ringing:
		return c.nextRound(ErrNoNeighbour)
	case opening:
		return c.requestOpen()
	}
	return nil
}

// agree asks the target for a moment to connect, when our TCP port is known.
func (c *callRules) requestOpen() []any {
	switch {
	case !c.canTCP || c.ours != Open && c.theirs != Open && c.mapped():
		return c.end(ErrUDPOnly)
	case c.portErr != nil:
		return c.end(errors.Join(ErrTCP, c.portErr))
	case c.port == 0:
		c.openWaits = true
		return nil
	}
	c.openWaits = false
	return []any{askOpen{c.pinged, open{Port: c.port, NAT: c.ours, Delay: uint16(connectDelay.Milliseconds())}}}
}

// learned: a neighbour has seen our TCP port, or err says why not.
func (c *callRules) learned(port uint16, err error) []any {
	if c.port, c.portErr = port, err; c.openWaits {
		return c.requestOpen()
	}
	return nil
}

// opened: the target has answered to OPEN after the round trip, or err says why not.
func (c *callRules) opened(a openAnswer, trip time.Duration, err error) []any {
	if c.phase != opening {
		return nil
	}
	switch {
	case err != nil:
		if c.opens++; c.opens == maxOpens {
			return c.end(errors.Join(ErrTCP, err))
		}
		return c.requestOpen()
	case a.Status == notReady:
		c.opens = 0
		return []any{pause{retryPause}}
	case a.Status == tcpImpossible:
		return c.end(ErrUDPOnly)
	case a.Status == callsCrossed:
		return c.end(ErrCrossed)
	case a.Status != accepted, a.NAT != AddressDependent && a.Port == 0:
		return c.end(fmt.Errorf("%w: the node answers %d", ErrTCP, a.Status))
	case a.NAT == AddressDependent && c.ours != Open:
		return c.end(ErrUDPOnly)
	}
	c.phase = connecting
	at := netip.AddrPortFrom(c.pinged.Addr(), a.Port)
	if a.NAT == AddressDependent {
		at = netip.AddrPortFrom(c.pinged.Addr(), 0) // nobody knows its port; ours is open
	}
	return []any{connect{at, max(0, connectDelay-trip/2)}}
}

// met: there is a connection, or err says why not.
func (c *callRules) connected(err error) []any {
	if c.phase != connecting {
		return nil
	}
	if err != nil {
		return c.end(errors.Join(ErrTCP, err))
	}
	return c.end(nil)
}

// expired: the call's time is over.
func (c *callRules) expired() []any {
	switch c.phase {
	case connecting, over: // the former comes to its end by itself
		return nil
	case opening:
		return c.end(ErrTCP)
	}
	return c.abort(ErrSilent)
}

// crossed: the target calls us, and wants to connect. It says whether that call goes on in
// place of this one. What the target agreed to goes on in any case.
func (c *callRules) crossed(lower bool) (giveWay bool) {
	return c.phase < opening || c.phase == opening && !lower
}

func (c *callRules) end(err error) []any {
	c.phase, c.err = over, err
	return []any{finish{err}}
}
