// Package refusal has every reason not to have a connection, each with the words for the
// log and, where the remote is told, the Disconnect reason (devp2p, p2p/5).
package refusal
