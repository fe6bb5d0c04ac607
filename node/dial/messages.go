package dial

import (
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// To the dialer, from Node's methods.

// AddStatic keeps a link to a node from now on. For a static node it adds an address, which is
// dialed next.
type AddStatic struct {
	supervise.Late
	Node *enode.Node
}

// RemoveStatic stops dialing a node.
type RemoveStatic struct {
	supervise.Late
	ID enode.ID
}

// From the actors to themselves.

// due is the message of the dialer's timer: a dial, or a request to a source, may be due.
type due struct{ supervise.Late }

// nextNode is the next node of Config.Candidates. The goroutine that reads them sends it to the
// iterator actor.
type nextNode struct {
	supervise.Late
	node *enode.Node // nil: there are no more
}
