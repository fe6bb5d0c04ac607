package bans

import "github.com/troupe-p2p/troupe/actors/supervise"

// Changed notifies the actor that the ledger's bans have changed. peers and Node's methods
// send it.
type Changed struct{ supervise.Late }

// retryDue is the message of the actor's timer: write again what could not be written.
type retryDue struct{ supervise.Late }
