// Package load has only tests: what many messages and many links cost a node. They run two
// nodes, or a node and scripted remotes, on real TCP, and check that all messages arrive, and
// that memory and goroutines stay within the budgets and are released.
//
//	go test ./node/load
package load
