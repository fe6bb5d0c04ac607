// Package torture attacks a node that its user owns, and measures what the attacks cost that
// node's honest peers. docs/torture.md has the attacks, their rates and how to read the result.
//
//	Run ─┬─ owner     proves over the node's unix socket that the node is the user's own
//	     ├─ crowd     honest links: ping, pong, and the next ping
//	     ├─ ledger    how the node says that each attacker's connection ended
//	     ├─ gauge     the memory of the node's process
//	     └─ phase     one attack, or all together, against one node
//	        └─ Attacker × n, each runs one [Attack]
//
// # Rules
//
//   - No packet is sent to an address that is not one of the node's own machine, and none before
//     a handshake has shown that the node with that ID answers there. Before each phase the owner
//     checks that the same process serves the socket; a phase ends when that process closes its
//     socket.
//   - Each attacker has a rate, a time and a limit of open connections, so that an attack ends by
//     itself.
//   - An attack knows neither clock nor schedule: it does what it does once each time that its
//     Attacker gives it a turn.
//   - Rates, causes, gaps and bounds are plain values with table tests (pace.go, causes.go,
//     meter.go, bounds.go).
package torture
