// Package setup sets up connections: it turns a TCP connection, or a node to dial, into an RLPx
// session that becomes a link.
//
// The pool actor owns one short-lived handshake actor for each connection, and limits their
// number. Blocking operations (reading, writing, connecting, resolving names) run in goroutines
// that belong to one handshake and report to it.
//
// # Messages
//
//   - The accepting goroutines pass connections to [Intake.Accept], and the puncher passes
//     those of nodes that called through NATs to [Intake.AcceptPunched].
//   - The dialer sends *[StartDial] and *[CancelDial]; the root sends *[Drain].
//   - A handshake calls peers.Table.Admit when it knows the remote's identity. When the session
//     is finished, it sends peers a *peers.Establish and ends. If its node can't be dialed, it
//     sends the puncher a *punch.Reach, once, and receives *punch.Reached.
//   - The pool sends peers a *peers.SetupEnded for each handshake that is over.
//
// # Invariants
//
//   - The number and the duration of handshakes are limited, and so are those of the
//     connections that wait for one. A slot in four is kept for known nodes.
//   - A connection has one owner: a handshake until it sends Establish, then peers. A
//     connection that no actor takes is closed.
//   - Each connection that does not become a link has one reason, which the log and
//     Config.Failed get.
package setup
