// Package setup sets up connections: from a TCP connection, or a node to dial, to an RLPx
// session that becomes a link.
//
// The pool actor owns one short-lived handshake actor for each connection, and bounds their
// number. What blocks (reading, writing, connecting, resolving names) runs in goroutines that
// belong to one handshake and report to it.
//
// # Who talks to whom
//
//   - The goroutines that accept hand connections to [Intake.Accept], and the puncher hands
//     those of nodes that called through NATs to [Intake.AcceptPunched].
//   - The dialer sends *[StartDial] and *[CancelDial]; the root sends *[Drain].
//   - A handshake asks peers.Table.Admit when it knows the remote's identity. With a finished
//     session it sends peers a *peers.Establish and ends. If its node can't be dialed, it asks
//     the puncher for a connection, once.
//   - The pool sends peers a *peers.SetupEnded for each handshake that is over.
//
// # Invariants
//
//   - Handshakes are bounded in number and in time, and so are the connections that wait for
//     one. A slot in four is kept for known nodes.
//   - A connection has one owner: a handshake until it sends Establish, then peers. One that
//     no actor takes is closed.
//   - Each connection that becomes no link has one refusal, which the log and Config.Failed
//     get.
package setup
