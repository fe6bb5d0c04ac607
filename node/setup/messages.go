package setup

import (
	"net"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/wire"
)

// To the pool, from the dialer.

// StartDial requests a connection to a node. A peers.SetupEnded with the same ticket always
// follows.
type StartDial struct {
	supervise.Late
	Node   *enode.Node
	Static bool // the dial is due to Node being static
	// Ticket distinguishes this dial from an earlier one to the same node that has not ended.
	Ticket uint64
}

// CancelDial ends a dial, because its node was removed.
type CancelDial struct {
	supervise.Late
	Ticket uint64
}

// To the pool, from the root.

// Drain ends all handshakes and then the pool. A handshake whose remote may consider us a peer
// already gets drainTime to send the reason.
type Drain struct{ supervise.Late }

// To the pool, from Intake. Each carries one of its credits, which the pool gives back.
type (
	// accepted is a connection that the listener accepted.
	accepted struct{ conn net.Conn }
	// called is a connection through a punched hole. The remote was the caller.
	called struct {
		supervise.Late
		conn *punch.Handover
	}
)

// To the pool, from itself and its handshakes.

// waitOver is a timer's message: a connection may have waited too long for a slot.
type waitOver struct{ supervise.Late }

// drainOver is a timer's message: the remaining handshakes are stopped.
type drainOver struct{ supervise.Late }

// done is the last message of a handshake: its connection is closed or belongs to peers, and
// its actor may be stopped.
type done struct {
	supervise.Late
	by      *actor.PID
	id      enode.ID
	punched bool // the connection came through a hole
	err     error
}

// To a handshake.

// abort ends a dial: it was cancelled, or the remote's own connection replaces it. err says
// which.
type abort struct {
	supervise.Late
	err error
}

// finish ends a handshake, unless its remote may consider us a peer already and must get the
// reason.
type finish struct{ supervise.Late }

// overdue is a timer's message: the handshake took too long.
type overdue struct{ supervise.Late }

// The results of a handshake's goroutines. The puncher sends *punch.Reached.
type (
	connected struct {
		supervise.Late
		err error
	}
	authRead struct {
		supervise.Late
		recipient *wire.Recipient
		err       error
	}
	sessionReady struct {
		supervise.Late
		session *wire.Session
		err     error
	}
)
