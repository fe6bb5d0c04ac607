// Package bans decides which nodes and networks are banned, and stores the bans.
//
// The [Ledger] counts points for the offences of a remote (rules: [Offence] and reputation). A
// remote with too many points is banned. The operator's bans are in the same ledger. Admission
// checks it. The bans actor writes the bans to a file in the data directory.
//
// # Messages
//
//   - peers reports offences to the ledger. If that makes a ban, peers sends *[Changed] to the
//     actor. Node's methods do the same for the operator's bans.
//   - The actor sends no messages. It only writes, and tries again every minute what it could not
//     write. The ledger answers those that wait for the file, so that an answer outlives a crash of
//     the actor.
//
// # Invariants
//
//   - The ledger outlives the actor, and is safe from any goroutine.
//   - Points have a half-life of 30 minutes. A node is banned at 100 points, a host at 400. A
//     first ban lasts an hour, each further ban twice as long as the one before, up to a day.
//   - An operator's change is acknowledged when the file and its directory are flushed to the disk.
//     All changes that wait share one write.
//   - Memory is bounded: 4096 reputations, 4096 automatic bans. The operator's bans have no
//     bound.
package bans
