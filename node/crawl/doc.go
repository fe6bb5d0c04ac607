// Package crawl explores a network: it finds nodes by discovery, does a handshake with
// each, and stores what each node reports about itself in an SQLite file. docs/crawl.md
// describes the schema.
//
//	crawl                 starts the others; ends on request or when nothing new comes
//	├─ archive            writes the results to the database, in batches
//	├─ discovery          finds nodes (package node/discovery)
//	└─ walker             decides which node to visit next, and when
//	   └─ visit-…         one handshake
//
// # Messages
//
// The walker asks discovery for candidates, a few at a time, and for the records of nodes
// that it knows without one. Each candidate goes to the archive and into the plan. A node
// that is due gets a visit. The visit reports to the walker, and the walker to the archive.
// The archive confirms each batch that it has written. The walker notifies its parent when
// nothing new comes any more.
//
// # Invariants
//
//   - Visits are bounded in number, in rate (those that begin within a second) and in
//     duration ([node.Ping] has a deadline for each of its steps).
//   - The plan's memory is bounded, whatever remotes report: it has a maximum number of
//     nodes, in all and per public address. The second limit also bounds how often a remote
//     can make the crawl dial one address.
//   - The number of unwritten entries is bounded: a slow disk slows the crawl down.
//   - Text from remotes is shortened and cleaned before it is stored or logged (client.go).
//   - The plan survives a crash of the walker. A crash of a visit is recorded as the visit's
//     outcome and has no other effect.
//   - If the database can't be written, the crawl ends with an error.
package crawl
