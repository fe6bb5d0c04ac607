package punch

import "errors"

// How calls end, as the counters of [State] name it. They are meant for labels of metrics.
const (
	EndedLinked      = "linked"      // there is a connection
	EndedUnsupported = "unsupported" // the node doesn't take part
	EndedUnrelayed   = "unrelayed"   // no neighbour in common
	EndedImpossible  = "impossible"  // both NATs map by address
	EndedFiltered    = "filtered"    // one maps by address, the other filters by port
	EndedSilent      = "silent"      // nothing came through
	EndedUDPOnly     = "udponly"     // UDP came through, and a NAT that maps by address is in the way of TCP
	EndedTCP         = "tcp"         // UDP came through, TCP didn't, though no NAT is known to be in the way
	EndedCrossed     = "crossed"     // the node's own call went on
	EndedBusy        = "busy"        // too many calls
	EndedTried       = "tried"       // not begun: in vain a while ago
	EndedDown        = "down"        // hole punching was stopped
	EndedOther       = "other"       // for a reason that has no name
)

// causes names the package's errors. ErrTried has another of them inside, so it is first.
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

// causeName names how a call ended, by its error.
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
