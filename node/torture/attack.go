package torture

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Attack is one way to attack a node.
type Attack interface {
	// About describes the attack.
	About() About
	// Attack is one attacker, in a goroutine of its own. It returns when a says that the time is
	// over. What it leaves open then is closed by a.
	Attack(a *Attacker)
}

// About describes an attack.
type About struct {
	Name string // as --attack takes it
	Does string // what each attacker does, for the help
	// Rate is how many actions each attacker begins in a second, unless the configuration sets
	// another rate, and Unit what an action is.
	Rate float64
	Unit string
	// Ends limits the wait for the node to end the connections after the attack. It is longer
	// than the node's own deadlines. Zero: the attack has no connection.
	Ends time.Duration
	// Words are those by which the cause of a connection's end names this attack.
	Words []string
	// Late says that the attack takes the node's places for handshakes. Together with others it begins
	// headStart later, because otherwise they would have no link to attack by.
	Late bool
	// Needs is what the node must have.
	Needs need
}

// need is what an attack needs of the node.
type need uint8

const (
	needsNothing   need = iota
	needsProtocol       // any protocol, so that there can be a link
	needsRequests       // bench, or chat
	needsBench          // bench, which echoes
	needsDiscovery      // a UDP port
)

// All lists the attacks, in the order in which they are run.
func All() []Attack {
	return []Attack{
		halfOpen{}, slowHandshakes{}, slowFrames{}, bombs{}, bombEchoes{}, bombPings{}, pings{}, requests{},
		handshakes{}, disconnects{}, replays{}, twice{}, packetsV4{}, packetsV5{},
	}
}

// Select returns the attacks of these names, in the order of All. Without names it returns all.
func Select(names []string) ([]Attack, error) {
	all := All()
	if len(names) == 0 {
		return all, nil
	}
	var known []string
	for _, a := range all {
		known = append(known, a.About().Name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("unknown attack %q, known attacks: %s", name, strings.Join(known, ", "))
		}
	}
	return slices.DeleteFunc(all, func(a Attack) bool { return !slices.Contains(names, a.About().Name) }), nil
}

// missing returns what the node lacks for an attack, empty if nothing.
func (o *owner) missing(n need) string {
	_, bench := o.cap("bench")
	_, chat := o.cap("chat")
	switch {
	case n == needsProtocol && len(o.caps) == 0:
		return "the node offers no protocol"
	case n == needsRequests && !bench && !chat:
		return "the node offers neither bench nor chat"
	case n == needsBench && !bench:
		return "the node does not offer bench (node protocol add bench)"
	case n == needsDiscovery && !o.udp.IsValid():
		return "the node has no discovery"
	}
	return ""
}
