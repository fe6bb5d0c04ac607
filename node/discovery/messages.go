package discovery

import (
	"net/netip"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// This file is the whole vocabulary of the actor, by sender.

// MaxCredit is how many candidates one receiver may have outstanding.
const MaxCredit = 1024

// From whoever wants nodes: the dialer, a crawl.

// Request asks for N more nodes, on top of those that were asked for before and have not
// come yet. To gets them one by one as they are found, as *[Candidate], and never more
// than were asked for. Beyond [MaxCredit] outstanding ones the rest of N is ignored. With
// an N of zero or less, what is outstanding is withdrawn: an actor that was restarted
// begins with that. What To had asked for is also forgotten when it stops. Searching goes
// on only while something is outstanding.
type Request struct {
	supervise.Late
	N  int
	To *actor.PID
}

// Resolve asks for the newest record of a node that is known by its public key, with an
// old address or none. The network is searched if need be, which takes seconds. To gets
// one *[Resolved] for each Resolve, whatever happens.
type Resolve struct {
	supervise.Late
	Node *enode.Node
	To   *actor.PID
}

// StatusRequest asks for a *[Status], which comes as the response.
type StatusRequest struct{ supervise.Late }

// Leave ends the actor: it closes the sockets and stops when the library's goroutines
// have ended, or after leaveTime. To be sent in place of a stop, which waits for nothing:
// until they have ended they may still use the node database.
type Leave struct{ supervise.Late }

// To whoever asked.

// Candidate is a node that passed the filter, in answer to a [Request]. It may have been
// given before: whether to dial it is the receiver's business.
type Candidate struct {
	supervise.Late
	Node   *enode.Node
	Source string // SourceV4, SourceV5 or SourceDNS
}

// Resolved answers [Resolve]. Node is the newest record that was found, or nil if there is
// none that is newer or has an address where the asker's had none.
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

// From the actor's own goroutines. Those of an earlier incarnation are recognised by
// their session.

// opened says that the transports are up, or why not; which bootnodes they have to do
// without; and whether it may help to look up their names again.
type opened struct {
	supervise.Late
	session   *session
	err       error
	missing   []error
	lookAgain bool
}

// reopen is the actor's timer to itself: bootnodes were missing, look again.
type reopen struct {
	supervise.Late
	session *session
}

// yielded is the next node of a source, which waits for credit now.
type yielded struct {
	supervise.Late
	session *session
	lane    *lane
	node    *enode.Node
}

// rested is the actor's timer to itself: a source may search again.
type rested struct{ supervise.Late }

// exhausted says that a source has come to an end, which none does by itself.
type exhausted struct {
	supervise.Late
	session *session
	lane    *lane
}

// learned is a node of the v4 walk with the record that it was asked for; nil: it didn't
// give any.
type learned struct {
	supervise.Late
	session *session
	lane    *lane
	node    *enode.Node
}

// resolved is the end of a search for Resolve.
type resolved struct {
	supervise.Late
	session *session
	answer  *Resolved
	to      *actor.PID
}

// reached says that a packet came from a public address that we had sent nothing to.
type reached struct {
	supervise.Late
	from netip.AddrPort
}

// deaf says that a socket can't be read from.
type deaf struct {
	supervise.Late
	socket string
	err    error
	final  bool // somebody closed it
}

// unlisted says that a DNS list can't be read, for the first time or again after it could.
type unlisted struct {
	supervise.Late
	domain string
	err    error
}

// left says, after Leave, that all that this actor started has ended.
type left struct{ supervise.Late }

// leaveOverdue is the actor's timer to itself, after Leave.
type leaveOverdue struct{ supervise.Late }
