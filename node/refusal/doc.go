// Package refusal has every reason to refuse or end a connection. Each has a text for the log.
// Those that are sent to the remote also have a Disconnect reason (devp2p, p2p/5).
package refusal
