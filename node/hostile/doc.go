// Package hostile has only tests: a node under attack. Scripted remotes do what no honest
// remote does, down to the bytes, all at the same time. Each attack must end in a named cause
// and stay within the memory budgets, and the link to a well-behaved neighbour must keep its
// pace.
//
//	go test ./node/hostile
package hostile
