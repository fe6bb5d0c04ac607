// Package execution asks an execution node, such as go-ethereum's geth, over JSON-RPC: what the head
// of the chain is, and what accounts have. The operator of this node trusts that node.
//
// A [Node] does all calls in goroutines of its own ([Node.Run]), and everything else answers from
// memory. It polls the head, and is told of new ones by subscription where the connection can
// (WebSocket, socket). Each answer with a head comes with the chain ID and the genesis block, in one
// batch: a load balancer, or a restart with other data, may put another node behind the URL at any time.
// Headers are hashed, and are linked by their hashes. Accounts are asked for by the hash of a block,
// which a node of another chain does not have.
//
// Calls have a time-out, one poll and one batch of accounts run at a time, and sizes of answers,
// queues and caches are bounded. What cannot be asked is unknown. It is never taken for nothing.
//
// Credentials in the URL are in no error, log or state: [Redact] and redactor leave the host alone.
package execution
