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
//   - With Chaos, nodes are killed and replaced, and actors panic. Killed nodes, crashes and
//     restarts are counted.
//   - When the net ends, all its nodes end.
//   - If a node can't be started, the net ends with the error.
package devnet
