package dial

import (
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// To the dialer, from Node's methods.

// AddStatic keeps a link to a node from now on.
type AddStatic struct {
	supervise.Late
	Node *enode.Node
}

// RemoveStatic dials a node no more.
type RemoveStatic struct {
	supervise.Late
	ID enode.ID
}

// From the actors to themselves.

// due is the dialer's timer's message: a dial, or a question to a source, may be due.
type due struct{ supervise.Late }

// nextNode comes to the iterator actor from the goroutine that reads Config.Candidates.
type nextNode struct {
	supervise.Late
	node *enode.Node // nil: there are no more
}
