package actors

import "time"

// This file is the vocabulary of a link, beside what stands with its own logic:
// WriteToken and ReturnToken in token.go, Inject and Crash in guard.go.

// LinkEnded is sent by a peer to its owner, exactly once, when the socket is
// closed: the slot may be used again.
type LinkEnded struct {
	Link  *Link
	Cause *Cause
}

// RequestWrite is sent by a child to its peer when it has something to write. It
// gets a *WriteToken when it is its turn. Each child has one such message, which
// it sends again and again; at most one is outstanding.
type RequestWrite struct {
	slot slot
}

// closeLink is sent to the peer by whoever ended the link, after the cause was
// set.
type closeLink struct{}

// pongsDue is sent by the reader's goroutine to the peer when a ping came and
// none was waiting for its answer.
type pongsDue struct{}

// batchDue is sent by the reader's goroutine to a host when it put a batch into an
// inbox that was empty.
type batchDue struct{}

// grantTimeoutOver is sent by the peer's timer to the peer: a grant that was not begun
// by now is taken back if somebody waits for it (T7).
type grantTimeoutOver struct {
	token *WriteToken
}

// pingCheck is sent by the pinger's timer to the pinger: look whether something
// is due.
type pingCheck struct{}

// farewellOver is sent by the goroutine that said good-bye to the remote, to the
// peer: the socket is closed.
type farewellOver struct{}

// stopDue is sent by the peer's timer to the peer: children that have not
// stopped by now are named in the journal.
type stopDue struct {
	after time.Duration
}
