// Package bans decides which nodes and networks are kept out, and remembers it.
//
// A remote that offends collects points in its [Ledger] (rules: [Offence] and reputation);
// too many are a ban. The operator bans and lifts bans by the same ledger. Admission asks
// it. The bans actor writes the list to a file of the data directory.
//
// # Who talks to whom
//
//   - peers reports offences to the ledger, and sends *[Changed] to the actor if bans come
//     of them. Node's methods do the same for the operator's bans.
//   - The actor answers nothing. It only writes.
//
// # Invariants
//
//   - The ledger outlives the actor, and is safe from any goroutine.
//   - Half of the points are forgotten in 30 minutes. 100 points are a ban of a node, 400
//     one of a host. A first ban lasts an hour, further ones twice as long each, up to a day.
//   - Memory is bounded: 4096 reputations, 4096 automatic bans. The operator's bans have no
//     bound.
package bans
