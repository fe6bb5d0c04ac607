// Package devnet runs a network of nodes in one process, on loopback, that find each other
// by discovery: to see how Troupe behaves in company, and to test it there.
//
//	devnet ◀── Kill, finish ── [Net]
//	  │ ▲
//	  ▼ │ nodeUp, nodeGone
//	goroutines that start and stop nodes, one for each that is being started or stopped
//
// The nodes run on one actor system, each with a tree of its own (package node).
//
// # Invariants
//
//   - A node knows one or two others when it starts, whichever are up; the first knows
//     nobody. The rest it finds.
//   - With Chaos, nodes are killed and others come in their place, and actors panic. All
//     that is killed or made to panic is counted.
//   - The end of the net is the end of all its nodes.
//   - A node that can't be started ends the net, with the error.
package devnet
