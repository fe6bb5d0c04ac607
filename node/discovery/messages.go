package discovery

import (
	"net/netip"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// This file contains all messages of the actor, grouped by sender.

// MaxCredit is the maximum number of outstanding candidates of one receiver.
const MaxCredit = 1024

// From actors that need nodes: the dialer, a crawl.

// Request requests N more nodes, in addition to earlier requests that are still outstanding. To
// receives them one by one as they are found, as *[Candidate], and never more than requested. The
// part of N beyond [MaxCredit] outstanding candidates is ignored. An N of zero or less withdraws
// all outstanding requests; a restarted actor begins with that. The requests of To are also
// forgotten when it stops. Searches run only while candidates are outstanding.
type Request struct {
	supervise.Late
	N  int
	To *actor.PID
}

// Resolve requests the newest record of a node whose public key is known, with an old address or
// none. If necessary the network is searched, which takes seconds. To receives exactly one
// *[Resolved] for each Resolve.
type Resolve struct {
	supervise.Late
	Node *enode.Node
	To   *actor.PID
}

// Leave ends the actor: it closes the sockets, and stops when the library's goroutines have ended
// or after leaveTime. Send it instead of a stop, which does not wait: until those goroutines have
// ended they may still use the node database.
type Leave struct{ supervise.Late }

// To the requester.

// Candidate is a node that passed the filter, in answer to a [Request]. It may have been sent
// before; the receiver decides whether to dial it.
type Candidate struct {
	supervise.Late
	Node   *enode.Node
	Source string // SourceV4, SourceV5 or SourceDNS
}

// Resolved answers [Resolve]. Node is the newest record that was found. It is nil if no record was
// found that is newer than the requester's or adds a missing address.
type Resolved struct {
	supervise.Late
	ID   enode.ID
	Node *enode.Node
}

// The sources of candidates.
const (
	SourceV4  = "v4"
	SourceV5  = "v5"
	SourceDNS = "dns"
)

// From the actor's own goroutines. A message of an earlier incarnation is recognised by its
// session.

// opened reports that the transports are up, or the error; the bootnodes that are missing; and
// whether another lookup of their names may help.
type opened struct {
	supervise.Late
	session   *session
	err       error
	missing   []error
	lookAgain bool
}

// reopen is sent by the actor's timer: look up the missing bootnodes again.
type reopen struct {
	supervise.Late
	session *session
}

// refill is sent by the actor's timer: a node table may be empty. refilled reports the end of the
// goroutine that has refilled it.
type (
	refill struct {
		supervise.Late
		session *session
	}
	refilled struct {
		supervise.Late
		session *session
	}
)

// yielded is the next node of a source. The source now waits for credit.
type yielded struct {
	supervise.Late
	session *session
	lane    *lane
	node    *enode.Node
}

// rested is sent by the actor's timer: a source may search again.
type rested struct{ supervise.Late }

// exhausted reports that a source ended, which none does while its session is open.
type exhausted struct {
	supervise.Late
	session *session
	lane    *lane
}

// learned is a node of the v4 walk with the record that it sent on request; node is nil if it sent
// none.
type learned struct {
	supervise.Late
	session *session
	lane    *lane
	node    *enode.Node
}

// resolved reports the end of a search for Resolve.
type resolved struct {
	supervise.Late
	session *session
	answer  *Resolved
	to      *actor.PID
}

// reached reports a packet from a public address to which this node had sent nothing.
type reached struct {
	supervise.Late
	from netip.AddrPort
}

// socketFailed reports a socket error.
type socketFailed struct {
	supervise.Late
	socket string
	err    error
	final  bool // the socket was closed by other code
}

// listFailed reports that a DNS list can't be read, for the first time or since the last success.
type listFailed struct {
	supervise.Late
	domain string
	err    error
}

// left reports, after Leave, that everything that the actor started has ended.
type left struct{ supervise.Late }

// leaveOverdue is sent by the actor's timer after Leave: leaveTime has passed.
type leaveOverdue struct{ supervise.Late }
