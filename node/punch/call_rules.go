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
	// callTimeout bounds a call until both sides connect.
	callTimeout = 12 * time.Second
	// maxRounds is how often the neighbours are asked. It is maxRoundsMapped where one side is
	// address-dependent, because such a call seldom succeeds.
	maxRounds, maxRoundsMapped = 6, 3
	// maxPings is how often the target is pinged after one ring: the NATs stay open for more than one
	// try. Where one side is address-dependent, this holds for the first ring only.
	maxPings = 2
	// maxOpens is how many OPENs in a row may remain without an answer.
	maxOpens = 5
	// maxUnknownRounds is how often the neighbours are asked again if none knows the target, and
	// unknownPause the time before: a table may have dropped a node because one ping was lost, and has
	// it again after the node's next HELLO.
	maxUnknownRounds, unknownPause = 4, 2 * time.Second
	// retryPause is the time before the next round, and before an OPEN that came too early is repeated.
	retryPause = 300 * time.Millisecond
	// connectDelay is the time from the answer to OPEN until both sides connect. It is longer than most
	// round trips, so that neither side is late.
	connectDelay = 300 * time.Millisecond
	// connectTimeout is how long both try to connect: a lost SYN is sent again after 1, 3 and 7 s.
	connectTimeout = 8 * time.Second
)

// callRules decides what the caller's side of a call does next. It is a plain value without clock or
// network: each method takes an event and returns what to do.
type callRules struct {
	ours, theirs NAT
	relays       []*enode.Node  // to be asked, in this order; owned by callRules
	record       netip.AddrPort // the target's endpoint by its record; may be invalid
	canTCP       bool           // there is a listening port

	phase         phase
	round         int
	next          int  // index of the relay to ask next
	undecided     bool // a relay of this round may know the target, but did not say yes
	unknown       bool // a relay of this round does not know it
	unknownRounds int  // rounds in which no relay knew it
	rung          int  // how often a relay said that the target opened its NAT
	target        netip.AddrPort
	openerFrom    netip.AddrPort // where its last opener came from
	pinged        netip.AddrPort
	pings         int
	opens         int
	port          uint16 // the external TCP port; 0: not known yet
	portErr       error
	openWaits     bool // OPEN is due when port is known
	err           error
}

type phase uint8

const (
	ringing phase = iota
	pinging
	opening // the UDP session exists
	connecting
	over
)

// What callRules returns to be done. The result goes to the method that the comment names.
type (
	sendOpener struct{ to netip.AddrPort }
	callBy     struct{ relay *enode.Node } // called
	ping       struct{ at netip.AddrPort } // pong
	pause      struct{ d time.Duration }   // pauseOver
	askOpen    struct {                    // opened
		at  netip.AddrPort
		msg open
	}
	connect struct { // connected
		at    netip.AddrPort // with port 0: wait until it connects
		after time.Duration
	}
	finish struct{ err error } // without err, connected has a connection
)

// begin starts the first round.
func (c *callRules) begin() []any {
	if c.ours == AddressDependent && c.theirs == AddressDependent {
		return c.end(ErrImpossible)
	}
	return c.nextRound(nil)
}

// nextRound starts a round. It sends an opener first, so that the caller's NAT lets the target's opener in.
// why is the reason for which the previous round failed.
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

// mapped reports whether one side is address-dependent.
func (c *callRules) mapped() bool { return c.ours == AddressDependent || c.theirs == AddressDependent }

// askRelay asks the next relay. After the last one it ends the round.
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
		c.round-- // this round does not count: nothing was tried
		return []any{pause{unknownPause}}
	}
	return c.end(ErrNoNeighbour)
}

// abort ends a call that used all its rounds.
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

// called handles a relay's answer to CALL; err says why there is none.
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

// reorderRelays orders the relays for the next round, after the last one asked said yes. That relay knows
// the target, so it is asked once more before the others. After two rounds in vain the others go first,
// because it may not have rung the target at all. The relays asked before it go last: they did not help.
func (c *callRules) reorderRelays() {
	vain, by, unasked := c.relays[:c.next-1], c.relays[c.next-1:c.next], c.relays[c.next:]
	if c.round%2 == 1 {
		c.relays = slices.Concat(by, unasked, vain)
	} else {
		c.relays = slices.Concat(unasked, by, vain)
	}
}

// pingTarget pings the target at the endpoint that its opener came from, or else at that which the relay sees.
func (c *callRules) pingTarget() []any {
	c.phase, c.pinged = pinging, c.target
	if c.openerFrom.IsValid() {
		c.pinged = c.openerFrom
	}
	c.pings++
	return []any{ping{c.pinged}}
}

// openerReceived records where the target's opener came from.
func (c *callRules) openerReceived(from netip.AddrPort) {
	if c.phase < opening {
		c.openerFrom = from
	}
}

// pong handles the result of a ping: discovery has a session with the target, or err says why not.
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
	c.openerFrom = netip.AddrPort{} // that endpoint did not work
	return c.nextRound(ErrSilent)
}

// pauseOver continues after a pause.
func (c *callRules) pauseOver() []any {
	switch c.phase {
	case ringing:
		return c.nextRound(ErrNoNeighbour)
	case opening:
		return c.requestOpen()
	}
	return nil
}

// requestOpen sends OPEN, as soon as the external TCP port is known.
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

// learned records the external TCP port that a neighbour saw; err says why none did.
func (c *callRules) learned(port uint16, err error) []any {
	if c.port, c.portErr = port, err; c.openWaits {
		return c.requestOpen()
	}
	return nil
}

// opened handles the target's answer to OPEN, which took the round trip; err says why there is none.
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
		return c.end(fmt.Errorf("%w: the node answered OPEN with status %d", ErrTCP, a.Status))
	case a.NAT == AddressDependent && c.ours != Open:
		return c.end(ErrUDPOnly)
	}
	c.phase = connecting
	at := netip.AddrPortFrom(c.pinged.Addr(), a.Port)
	if a.NAT == AddressDependent {
		at = netip.AddrPortFrom(c.pinged.Addr(), 0) // its port is not known; this node is open
	}
	return []any{connect{at, max(0, connectDelay-trip/2)}}
}

// connected ends the call: with a connection, or with the reason why there is none.
func (c *callRules) connected(err error) []any {
	if c.phase != connecting {
		return nil
	}
	if err != nil {
		return c.end(errors.Join(ErrTCP, err))
	}
	return c.end(nil)
}

// expired ends the call when its time is over.
func (c *callRules) expired() []any {
	switch c.phase {
	case connecting, over: // connecting has its own timeout
		return nil
	case opening:
		return c.end(ErrTCP)
	}
	return c.abort(ErrSilent)
}

// crossed handles the target's own call to this node, for which OPEN came. It reports whether this call
// ends in favour of that one; lower says that this node has the lower ID. A call whose OPEN the target has
// accepted continues in any case.
func (c *callRules) crossed(lower bool) (giveWay bool) {
	return c.phase < opening || c.phase == opening && !lower
}

func (c *callRules) end(err error) []any {
	c.phase, c.err = over, err
	return []any{finish{err}}
}
