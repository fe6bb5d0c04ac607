// Package gethcompat mounts protocols that were written for go-ethereum, its own or
// others', on links of this node without changing them.
//
//	specs, err := gethcompat.Specs(eth.MakeProtocols(backend, network, candidates)...)
//	...
//	node.Config{Specs: specs}
//
// Run is called once for each link, in a goroutine, with a p2p.Peer and a
// p2p.MsgReadWriter, and its return ends the link as in go-ethereum: nil as 'client
// quitting', a p2p.DiscReason as that, a message that Msg.Decode refused as 'breach of
// protocol', anything else as 'subprotocol error'. A panic in it is logged with its
// stack and ends this link, where in go-ethereum it ends the process. It is not started
// again: its conversation can't be begun anew in the middle.
//
// What differs from a p2p.Server:
//
//   - WriteMsg returns when the message is queued and not when it is written; while
//     1 MiB is queued, it waits.
//   - Messages that are not read are bounded by bytes. Where go-ethereum stops reading
//     the whole connection, other protocols of the link go on; a Run that does not read
//     for 20 s with a full budget ends the link.
//   - The p2p.Peer is one that go-ethereum makes for tests, because it lets nobody else
//     make a real one. ID, Name, Fullname, Caps, RunningCap and Disconnect are as usual,
//     but Caps are those that run on the link, the remote is told 'disconnect requested'
//     whichever reason Disconnect was given, and the node has no address: RemoteAddr says
//     "pipe" and Inbound is false. [LinkOf] has what is missing.
//   - DialCandidates and Attributes are the p2p.Server's to use: give them to the node.
package gethcompat
