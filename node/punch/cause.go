package punch

import "errors"

// How calls end, as keys of the counters in [State].
const (
	EndedLinked      = "linked"      // there is a connection
	EndedUnsupported = "unsupported" // the node does not take part
	EndedUnrelayed   = "unrelayed"   // no neighbour in common
	EndedImpossible  = "impossible"  // both NATs are address-dependent
	EndedFiltered    = "filtered"    // one NAT is address-dependent, the other filters by port
	EndedSilent      = "silent"      // no packet came through
	EndedUDPOnly     = "udponly"     // UDP came through, and an address-dependent NAT prevents TCP
	EndedTCP         = "tcp"         // UDP came through, TCP did not, and no NAT is known to prevent it
	EndedCrossed     = "crossed"     // the node's own call continued instead
	EndedBusy        = "busy"        // too many calls
	EndedTried       = "tried"       // not begun: a recent call failed
	EndedDown        = "down"        // hole punching was stopped
	EndedOther       = "other"       // for any other reason
)

// causes names the package's errors. ErrTried is first because it wraps another one of them.
var causes = []struct {
	err  error
	name string
}{
	{ErrTried, EndedTried},
	{ErrUnsupported, EndedUnsupported},
	{ErrNoNeighbour, EndedUnrelayed},
	{ErrImpossible, EndedImpossible},
	{ErrFiltered, EndedFiltered},
	{ErrSilent, EndedSilent},
	{ErrUDPOnly, EndedUDPOnly},
	{ErrTCP, EndedTCP},
	{ErrCrossed, EndedCrossed},
	{ErrBusy, EndedBusy},
	{ErrDown, EndedDown},
}

// causeName returns the name of a call's result, by its error.
func causeName(err error) string {
	if err == nil {
		return EndedLinked
	}
	for _, c := range causes {
		if errors.Is(err, c.err) {
			return c.name
		}
	}
	return EndedOther
}
