// Package supervise is the base of every actor of Troupe: a guard that turns panics into crashes,
// a supervisor with its restart policies, the journal of lifecycle steps, a mailbox and a
// dispatcher that cost less than protoactor's, and a clock.
//
// An actor's package makes its Props by a [Runtime], sends with [Send], and starts goroutines
// with [Go] or [Runtime.Go], so that:
//
//   - a panic of an actor or of its goroutines reaches the supervisor as a [Crash] with its
//     stack, and is recorded in the journal;
//   - a panic while an actor stops affects no other actor: protoactor would leave the parent
//     waiting for ever;
//   - a restart follows a [Policy], with a backoff that has a cap, and never restarts a
//     successor of the actor that failed.
//
// The package imports no other package of Troupe.
package supervise
