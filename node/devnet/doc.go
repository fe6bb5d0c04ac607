// Package devnet runs a network of nodes in one process, on loopback. The nodes find each
// other by discovery. It shows and tests how Troupe behaves in a network.
//
//	devnet ◀── Kill, finish ── [Net]
//	  │ ▲
//	  ▼ │ nodeUp, nodeGone
//	goroutines that start and stop nodes, one for each node being started or stopped
//
// All nodes run on one actor system, each with its own actor tree (package node).
//
// # Invariants
//
//   - A node starts with one or two bootnodes, chosen from the running nodes; the first node
//     has none. It finds the other nodes by discovery.
//   - A node that does not start in time is replaced, because the machine may be busy.
//   - With Chaos, nodes are killed and replaced, once all have been up, and actors panic. Killed
//     nodes, crashes and restarts are counted.
//   - When the net ends, all its nodes end, also those that are being started.
//   - If a node can't be started, the net ends with the error.
package devnet
