// Package crawl walks a network: it finds nodes by discovery, shakes hands with each, and
// keeps what they say of themselves in an SQLite file. docs/crawl.md is its schema.
//
//	crawl                 starts the others, ends when told or when nothing new comes
//	├─ archive            writes what was learned, in batches
//	├─ discovery          finds nodes (package node/discovery)
//	└─ walker             whom to visit next, and when
//	   └─ visit-…         one handshake
//
// # Who talks to whom
//
// The walker asks discovery for candidates, a few at a time, and for the records of nodes
// that have none. Each candidate goes to the archive and into the plan; those that are
// due get a visit, which reports to the walker, and that to the archive. The archive says
// what it has written. The walker tells its parent when nothing new comes any more.
//
// # Invariants
//
//   - Visits are bounded in number, in how many begin within a second, and in time
//     ([node.Ping] has a deadline for each of its steps).
//   - What others tell of nodes costs bounded memory: so many nodes in all, so many at
//     one public address, which is also as often as anybody can have us dial somebody.
//   - What isn't written yet is bounded: a slow disk slows the crawl down.
//   - Remotes' words are cut and cleaned before anybody else sees them (client.go).
//   - The plan outlives a crash of the walker; a crash of a visit is what is known of that
//     node, and costs nothing else.
//   - A database that can't be written ends the crawl with an error.
package crawl
