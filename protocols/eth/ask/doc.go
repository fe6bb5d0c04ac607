// Package ask decides which peer is asked for which part of which block, and when.
//
// A [Scheduler] has the wants of askers (the window, a sync, an operator's command) and the peers
// that may be asked. Its methods take the time and return [Action]s, which the caller carries out in
// their order: send a request, tell an asker that its want is over, close a peer. It sends nothing
// itself and has no goroutine and no clock; [Scheduler.Next] says when [Scheduler.Tick] is to be
// called. One goroutine uses it.
//
// The path of a request:
//
//	Add → Ask{Request} → the caller sends it
//	answer → Arrived → the caller checks it (package verify) → Done → Finished when nothing is left
//	                   └ receipts in parts: Continue, and the caller asks the same peer for the rest
//
// An empty answer is no fault: the peer lacks the block, and is asked for it again later. A request
// without an answer goes to another peer, and the peer rests for a while; it is asked again, with
// less. Memory is bounded by the limits of a [Config]: what a remote says takes none that grows.
package ask
