// Package memory returns the memory that a process does not need any more to the operating
// system, when the process is quiet after a peak such as an attack.
//
// Go alone does that late: while little is allocated, the collector runs every two minutes, a
// sync.Pool is empty only after two collections, and what is free then goes back step by step.
//
// The memory belongs to the process, not to a node, and a collection concerns all of the program.
// So no node does this by itself. The program decides: cmd/node calls [Keep], and so may a program
// that embeds nodes, once, however many nodes it runs.
//
// [Keep] has no actor: the rule is in rule.go, and a timer asks it every few seconds.
package memory
