package actors

import (
	"time"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// This file holds the messages of a link that have no better place: WriteToken and ReturnToken
// are in token.go, Inject and Crash in package supervise.

// LinkEnded is sent by a peer to its owner, exactly once, when the socket is closed: the slot may
// be used again.
type LinkEnded struct {
	Link  *Link
	Cause *Cause
}

// RequestWrite is sent by a child to its peer when it has something to write. The child receives
// a *WriteToken when its turn comes. Each child has one such message and sends it again and
// again; at most one is outstanding.
type RequestWrite struct {
	slot slot
}

// closeLink is sent to the peer by the function that ends the link, after it has set the cause.
type closeLink struct{}

// pongsDue is sent by the reader's goroutine to the peer when a ping arrived and no earlier ping
// was waiting for its pong.
type pongsDue struct{}

// batchDue is sent by the reader's goroutine to a host when it put a batch into an empty inbox.
type batchDue struct{}

// grantTimeoutOver is sent by the peer's timer to the peer. A grant that is not in use by now is
// taken back if another child waits for it (T7).
type grantTimeoutOver struct {
	token *WriteToken
}

// pingCheck is sent to the pinger by its timer, and by Link.Probe: check whether a ping or the ping
// timeout is due.
type pingCheck struct{ supervise.Late }

// farewellOver is sent to the peer by the goroutine that sent the Disconnect: the socket is
// closed.
type farewellOver struct{}

// stopDue is sent by the peer's timer to the peer. Children that have not stopped by now are
// recorded in the journal.
type stopDue struct {
	after time.Duration
}
